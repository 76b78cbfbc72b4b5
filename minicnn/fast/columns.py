"""What two columns need of a backend, as in reference/columns.py."""

from ..reference.columns import choose, chosen, on, seconds, tick

__all__ = ["choose", "chosen", "on", "seconds", "tick"]
