"""Where arrays live.  On the CPU there is one place, so both doors are the identity."""


def to_device(x):
    """Return x."""
    return x


def to_host(x):
    """Return x."""
    return x
