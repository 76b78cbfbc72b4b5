"""The backend's part of two columns, as in reference/two_columns.py; here both can run in parallel.

Two columns run one after the other, where every loop of a layer gets all cores, or in parallel,
where each has a thread and half of the cores (run_pair in threads.py).  In parallel the threads
join once per layer instead of once per loop, but the second one has to be woken: on two cores that
pays from about a millisecond of work on.  So both ways are measured: for each function and shape
the first calls try both, and all later ones take the faster.  The results are the same bits.

On two cores a step of cifar-2gpu with 128 images is 1.15 times as fast as one column after the
other (quartiles 1.09 to 1.20), and of alexnet-2gpu with 16 images 1.05 times (1.02 to 1.3).  If
the columns always ran in parallel, a step of cifar-2gpu with 1 image would be 0.7 times as fast.

    key       identifies the work: a function's name and the shapes of its arrays
    trials    key → for each way the seconds of its first calls
"""

from collections import defaultdict

from ..reference import two_columns
from ..reference.two_columns import choose, chosen, seconds, tick
from .threads import run_pair

__all__ = ["choose", "chosen", "on", "seconds", "tick"]

WAYS = two_columns.each, run_pair
TRIALS = 3  # of each way: the first call may have to compile
trials = defaultdict(lambda: ([], []))


def on(gpus=None, watch=two_columns.unwatched):
    """Return what two columns need, see reference/two_columns.py."""
    return two_columns.on(gpus, watch)._replace(each=each)


def each(work, key):
    """Return (work(0), work(1)), in the way that was faster for such work."""
    times = trials[key]
    for way, seconds_so_far in zip(WAYS, times, strict=True):
        if len(seconds_so_far) < TRIALS:
            start = tick()
            results = way(work)
            seconds_so_far.append(tick() - start)
            return results
    sequential, parallel = map(min, times)
    return WAYS[parallel < sequential](work)
