"""What a learner has done: lessons walked to their end, and exercises passed.

It is one small file, runs/lessons/progress.json: {"lesson": ["01_one_convolution"], "exercise": …}.
If it is damaged or cannot be written, nothing else suffers: one then begins anew.
"""

import json

from minicnn.storage import write_text

from .cells import OUT


def done(kind, name):
    """Remember that a "lesson" or an "exercise" of this name is done; return whether it was new."""
    known = all_done()
    if name in known.get(kind, []):
        return False
    known[kind] = sorted([*known.get(kind, []), name])
    try:
        write_text(OUT / "progress.json", json.dumps(known, indent=1) + "\n")
    except OSError as error:
        print(f"This could not be noted as done: {error}")
    return True


def all_done():
    """Return the names of all that is done: {"lesson": [...], "exercise": [...]}."""
    try:
        known = json.loads((OUT / "progress.json").read_text(encoding="utf-8"))
        return {kind: [str(name) for name in names] for kind, names in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
