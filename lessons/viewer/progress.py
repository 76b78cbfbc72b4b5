"""Remember a learner's progress: lessons finished and exercises passed.

It is kept in runs/lessons/progress.json: {"lesson": ["01_one_convolution"], "exercise": …}.  What
cannot be used in it is ignored, and when the next item is recorded, the file is kept as
progress.json.damaged.  If it cannot be written, nothing else fails.
"""

import json

from minicnn.storage import list_of, parse_json, text, write_bytes, write_text

from .cells import OUT

_, are_names = list_of(text())


def done(kind, name):
    """Record that a "lesson" or "exercise" of this name is done; return whether it was new."""
    known, damaged = read()
    if name in known.get(kind, []):
        return False
    known[kind] = sorted([*known.get(kind, []), name])
    try:
        if damaged:
            write_bytes(OUT / "progress.json.damaged", (OUT / "progress.json").read_bytes())
            print(f"{OUT / 'progress.json'} is damaged; it is kept as progress.json.damaged")
        write_text(OUT / "progress.json", json.dumps(known, indent=1) + "\n")
    except OSError as error:
        print(f"Progress could not be saved: {error}")
    return True


def all_done():
    """Return the names of all finished items: {"lesson": […], "exercise": […]}."""
    return read()[0]


def read():
    """Return all_done, and whether something in the file could not be used."""
    try:
        known = parse_json((OUT / "progress.json").read_bytes())
    except FileNotFoundError:
        return {}, False
    except (OSError, ValueError):
        return {}, True
    if not isinstance(known, dict):
        return {}, True
    used = {kind: names for kind, names in known.items() if are_names(names)}
    return used, used != known
