"""What two columns need of a backend, as in reference/two_columns.py; here both can work at once.

Two columns may take turns, where every loop of a layer gets all cores, or each has a thread and
half of the cores (in_halves in threads.py).  Threads wait for each other once a layer instead of
once a loop, but the second one has to be woken: on two cores that pays from about a millisecond of
work on.  So both ways are tried: for each function and shape the first calls go both ways, and all
others the one that was faster.  The results are the same, to the last bit.

On two cores a step of cifar-2gpu with 128 images is 1.15 times as fast as in turns alone
(quartiles 1.09 to 1.20), and of alexnet-2gpu with 16 images 1.05 times (1.02 to 1.3).  Always in
halves, a step of cifar-2gpu with 1 image is 0.7 times as fast as in turns.

    what     a piece of work: a function's name and the shapes of its arrays
    tried    what → for each way the seconds of its first calls
"""

from collections import defaultdict

from ..reference import two_columns
from ..reference.two_columns import choose, chosen, seconds, tick
from .threads import in_halves

__all__ = ["choose", "chosen", "on", "seconds", "tick"]

WAYS = two_columns.each, in_halves
TRIALS = 3  # of each way: the first call may have to compile
tried = defaultdict(lambda: ([], []))


def on(gpus=None, watch=two_columns.unwatched):
    """Return what two columns need, see reference/two_columns.py."""
    return two_columns.on(gpus, watch)._replace(each=each)


def each(work, what):
    """Return (work(0), work(1)), in the way that was faster for such work."""
    times = tried[what]
    for way, so_far in zip(WAYS, times, strict=True):
        if len(so_far) < TRIALS:
            start = tick()
            results = way(work)
            so_far.append(tick() - start)
            return results
    in_turns, at_once = map(min, times)
    return WAYS[at_once < in_turns](work)
