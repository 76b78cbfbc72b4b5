"""Temporary changes to other libraries, undone at the end of a with statement."""

from contextlib import contextmanager

MISSING = object()


@contextmanager
def patched(owner, name, value):
    """Set owner.name to value; on leaving, restore it, or remove it if it was missing."""
    before = getattr(owner, name, MISSING)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
