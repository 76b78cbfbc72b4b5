"""A job of one process.  Its methods are those of ranks.Ranks, and communicate with no one.

rank, size     the number of this process, 0 … size − 1, in its job; rank 0 alone writes files
part, parts    the same for the shares of a batch: two columns share none, and are one part
"""

from .tree import root


class Alone:
    """The job of a program that was not started by mpiexec."""

    rank, size = 0, 1
    part, parts = 0, 1

    def gather(self, value):
        """Return the values of all ranks, in the order of their numbers."""
        return [value]

    def broadcast(self, value):
        """Return the value of rank 0."""
        return value

    def collect(self, value):
        """Return the values of all parts, in their order."""
        return self.gather(value)

    def complete(self, run):
        """Bring all parameters and velocities of a run to every rank, if they are not there."""

    def scatter_sum(self, nodes, held, counts, dtype):
        """Return this rank's slice of the sum of the arrays of all ranks: see ranks.py."""
        return root(dict(nodes))

    def joined(self, part, counts):
        """Return the arrays of all ranks, one after the other."""
        return part


ALONE = Alone()
