"""Where arrays live.  On the CPU there is one place, so both doors are the identity.

A GPU works on while the host goes on, and the two wait for each other only where they must.  The
trainer asks for that in two ways: it takes its batches through `feed`, and looks at the loss every
LOOK_EVERY steps.  On the CPU there is nothing to wait for.
"""

LOOK_EVERY = 1  # steps


def ready():
    """Raise OSError if this backend cannot run here; this one always can."""


def wait():
    """Wait until all that was asked for is done."""


def memory():
    """Return the bytes of a GPU's memory that are taken; None: there is no GPU."""


def capacity():
    """Return the bytes of all GPUs in use; None: there is no GPU."""


def described():
    """Return what the GPU is, in one line; None: there is no GPU."""


def to_device(x):
    """Return x."""
    return x


def to_host(x):
    """Return x."""
    return x


def feed(batches):
    """Yield (x, labels) as they come."""
    yield from batches
