"""Remember a learner's progress: lessons finished and exercises passed.

It is kept in runs/lessons/progress.json: {"lesson": ["01_one_convolution"], "exercise": …}.  If the
file is damaged, the record starts anew; if it cannot be written, nothing else fails.
"""

import json

from minicnn.storage import write_text

from .cells import OUT


def done(kind, name):
    """Record that a "lesson" or "exercise" of this name is done; return whether it was new."""
    known = all_done()
    if name in known.get(kind, []):
        return False
    known[kind] = sorted([*known.get(kind, []), name])
    try:
        write_text(OUT / "progress.json", json.dumps(known, indent=1) + "\n")
    except OSError as error:
        print(f"Progress could not be saved: {error}")
    return True


def all_done():
    """Return the names of all finished items: {"lesson": […], "exercise": […]}."""
    try:
        known = json.loads((OUT / "progress.json").read_text(encoding="utf-8"))
        return {kind: [str(name) for name in names] for kind, names in known.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return {}
