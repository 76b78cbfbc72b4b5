"""Steps and arrays as HTML that needs nothing else: no network, no library, no other file.

The data goes into the page as JSON, deflated to a third or less, because notebooks keep it:

    values    every text and every array once.  s: shape; c: shape, dtype and range in words; p, e:
              the size of its picture, and which rows and columns it has; k: whose memory.  The
              entries are v, numbers with as many digits as it takes, if they are few; else q, a
              byte each, 0 for NaN.  A row of arrays is row, the numbers of its arrays
    ranges    the least and the largest entry that an array had in the whole run, by k: its colours
              are the same in all steps
    names     every variable's name once
    sources   a function's lines, and its statements: [line, last line, names, again]
    frames, loops, turns     as in record.py
    steps     frame, line, turn, changed, and what only some have.  Where a value is due, there is
              its number in `values`; {name: value} is written name, value, name, value, …
    failure   why the function did not return, or ""
    pairs     backward's lines → the forward lines that they undo
    forward   what forward's variables were in the end
    touched   on the way back, of each argument: q, dq: its number in `values` and that of its
              gradient; and if they are few, for every entry numeric, a finite difference; analytic,
              where backward says something else; and kinks, where there is no one slope

Values, loops and steps are in columns, for like beside like is deflated best: what each has for s,
what each has for c, …  arrays.js and steps.js, which stay readable, draw it.  Where they may not
run, in a notebook that is not trusted yet, or cannot, in a browser from before 2023, its beginning
is there as plain text.
"""

import base64
import html
import json
import math
import zlib
from importlib import resources

from . import navigation, terminal
from .page_data import Store, rounded
from .record import ROWS, TURNS
from .trim import shorter
from .values import EXACT, PIXELS, Shot

ROOM = 49_900  # bytes for a page of steps; twice as many where arrays are large

# The two levels of detail: turns as far away from the first ones (see trim.py); the numbers of
# arrays with at most that many entries and columns, while others are pictures; and pictures of at
# most that many pixels.
FINE = TURNS, (EXACT, EXACT), PIXELS
COARSE = 1, (160, 18), 400


def of_steps(record, pairs, forward, result, touched):
    """Return the HTML of a record, in less detail if it would be larger than ROOM.

    `pairs` is {line: lines of code}, `forward` the record of the forward pass or None, and
    `result` what the function returned, {"y": Shot}: step 0 shows it beside the arguments.
    `touched` has {"x": Touches of all its entries, or None} on the way back.
    """
    text = terminal.text(record, most=700, pairs=pairs)
    room = 2 * ROOM if is_large(record) else ROOM
    for turns, *details in (FINE, COARSE):
        trimmed = shorter(record, turns)
        page_text = of_record(trimmed, pairs, forward, result, touched, text, details)
        if len(page_text.encode()) <= room:
            break
    return page_text


def is_large(record):
    """Return whether there is an array of which no picture has all entries."""
    values = [value for step in record.steps for value in step.changed.values()]
    return any(isinstance(one, Shot) and math.prod(one.shape) > PIXELS for one in values)


def of_record(record, pairs, forward, result, touched, text, details):
    """Return the HTML of a record with all its turns, and with arrays in such detail."""
    store = Store([record] + [forward] * (forward is not None), *details)
    store.widen(result.values())
    code_of = {id(frame.source): frame.source for frame in record.frames}
    numbers = {key: number for number, key in enumerate(code_of)}
    data = {
        "title": navigation.title(record),
        "start": record.start,
        "failure": navigation.failure(record),
        "sources": [source_of(source, store) for source in code_of.values()],
        "frames": [
            {
                "source": numbers[id(frame.source)],
                "parent": frame.parent,
                "arguments": store.ids(frame.arguments),
                "returned": None if frame.returned is None else store.id(frame.returned),
                **({"cut": 1} if frame.cut else {}),
            }
            for frame in record.frames
        ],
        "loops": columns([loop_of(record, number) for number in range(len(record.loops))]),
        "turns": [[turn.loop, turn.number, turn.parent] for turn in record.turns],
        "steps": columns([step_of(step, store) for step in record.steps]),
        "pairs": pairs,
        "result": store.ids(result),
        "forward": store.ids(navigation.last_values(forward)) if forward else [],
        "touched": {
            name: touched_of(touches, forward.frames[0].arguments[name], result[f"d{name}"], store)
            for name, touches in touched.items()
            if f"d{name}" in result
        },
    }
    return page(data, store, text)


def of_arrays(shots):
    """Return the HTML of {name: Shot}."""
    store = Store([])
    store.widen(shots.values())
    data = {"arrays": [[name, store.id(shot)] for name, shot in shots.items()]}
    text = "\n".join(
        "\n".join(terminal.array(name, shot, indent="")) for name, shot in shots.items()
    )
    return page(data, store, text)


def page(data, store, text):
    data |= {"names": list(store.names), "values": columns(store.values), "ranges": store.ranges}
    data["css"] = read("page.css").replace("\n", "")
    encoded = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    deflated = base64.b64encode(zlib.compress(encoded, 9)).decode()
    script = f"(() => {{\n{read('arrays.js')}\n{read('steps.js')}\n}})();"
    return (
        f'<div class="minicnn-step"><pre>{html.escape(text)}</pre>'
        f'<script type="application/deflated-json">{deflated}</script></div>'
        f"<script>{script}</script>"
    )


def whole(title, body):
    """Return a complete page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title>"
        "<style>body{margin:0 auto;padding:2vmin;max-width:1240px}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def read(name):
    """Return a file of this package without indents, whole lines of comment and most line ends."""
    lines = resources.files(__package__).joinpath(name).read_text("utf-8").splitlines()
    lines = [s for s in map(str.strip, lines) if s and not s.startswith(("//", "/**"))]
    return "".join(s if s.endswith(tuple("{([,;:")) else s + "\n" for s in lines)


def source_of(source, store):
    """Return a function's source, and which of its lines are its docstring."""
    first = min(statement.line for statement in source.statements.values()) - source.first
    starts = [n for n, line in enumerate(source.lines) if '"""' in line]
    quiet = list(range(starts[0], starts[-1] + 1)) if starts and starts[0] <= first else []
    return {
        "name": source.name,
        "file": navigation.file_of(source),
        "first": source.first,
        "lines": source.lines,
        "header": source.header.last,
        "quiet": quiet,
        "statements": [
            [s.line, s.last, *([store.name(name) for name in part] for part in (s.names, s.again))]
            for s in {s.line: s for s in source.statements.values()}.values()
        ],
    }


def loop_of(record, number):
    loop = record.loops[number]
    source = record.frames[loop.frame].source
    found = {"line": loop.line, "frame": loop.frame, "total": loop.total}
    if loop.more:
        found["more"] = 1
    if source.file == ROWS:
        found["rows"] = [row_name(record, number, turn) for turn in range(1, loop.total + 1)]
    return found


def row_name(record, loop, number):
    """Return what the rows of a network are called in this turn of a loop of net.py."""
    for step in record.steps:
        if step.turn is not None and record.turns[step.turn].loop == loop:
            if record.turns[step.turn].number == number and "layer" in step.changed:
                return step.changed["layer"].text.split(":")[0]
    return ""


def step_of(step, store):
    """Return what a step has, but for what it has not."""
    found = {
        "changed": store.ids(step.changed),
        "before": store.ids(step.before),
        "after": [step.after, step.loop] if step.after else None,
        "error": f"{type(step.raised).__name__}: {step.raised}" if step.raised else "",
        "note": step.note,
        "links": store.links(step.links),
        "at": [n for name, entry in step.at.items() for n in (store.name(name), entry)],
    }
    found = {name: value for name, value in found.items() if value}
    return {"frame": step.frame, "line": step.statement.line, "turn": step.turn, **found}


def touched_of(touches, argument, gradient, store):
    """Return the numbers of an argument q and of dq in `values`, and what touching found."""
    found = {"q": store.id(argument), "dq": store.id(gradient)}
    if touches is None:
        return found
    smooth = [abs(one.numeric) for one in touches if not one.kink]
    floor = max(smooth, default=0) / 100  # a gradient of 5e-15 that should be 0 is no mistake
    found["numeric"] = [rounded(one.numeric, 7) for one in touches]
    found["kinks"] = [n for n, one in enumerate(touches) if one.kink]
    found["analytic"] = {
        n: rounded(one.analytic, 7)
        for n, one in enumerate(touches)
        if (one.kink or one.wrong)
        and not abs(one.analytic - one.numeric)
        <= 1e-6 * max(abs(one.analytic), abs(one.numeric), floor)
    }
    return found


def columns(rows):
    """Return {key: what each dict has for it, or None}; arrays.js makes rows of it again."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key) for row in rows] for key in keys}
