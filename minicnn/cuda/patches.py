"""Changes to other libraries, for the length of a with statement."""

from contextlib import contextmanager

MISSING = object()


@contextmanager
def patched(owner, name, value):
    """Let owner.name be this value; afterwards it is what it was before, or missing again."""
    before = getattr(owner, name, MISSING)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
