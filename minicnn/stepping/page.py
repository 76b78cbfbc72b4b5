"""Steps and arrays as a self-contained piece of HTML: no network, no library, no other file.

The data is embedded as deflated JSON, because notebooks store it:

    values    each text and each array once.  An array has s: shape; c: caption: shape, dtype and
              range; p: shape of its picture; e: strides of the sampled rows and columns; k: its
              memory; rgb: what is added to its entries to draw three maps as one picture in
              colour.  Its entries are in v, as numbers, if they are few; else in q, a byte each
              with 0 for NaN.  A list of arrays has row: the numbers of its arrays
    ranges    the least and the largest entry in the whole run, by k, so that an array keeps its
              colours from step to step
    names     each variable's name once
    sources   a function's lines and statements: [line, last line, names, again], and 1 if it is
              passed over; `dim` are the lines of its docstring
    frames, loops, turns     as in record.py
    steps     frame, line, turn, changed, and optional fields.  A value is given as its number in
              `values`; {name: value} is flattened to name, value, name, value, …
    failure   why the function did not return, or ""
    pairs     lines of backward → the forward lines that they undo
    forward   the final values of forward's variables
    touched   for each argument of a backward pass, q and dq: the numbers of the argument and of its
              gradient in `values`.  Small arrays also have numeric: a finite difference for each
              entry; analytic: the entries where backward disagrees; and kinks: the entries without
              a single slope

Values, loops and steps are stored by column, because similar data deflates best.  arrays.js,
frame.js and steps.js draw the page; they stay readable in it.  Plain text with the first steps is
shown where the scripts do not run: in a notebook that is not trusted, or in a browser from before
2023.
"""

import base64
import html
import json
import math
import pathlib
import zlib
from importlib import resources

from .. import storage
from . import navigation, terminal
from .page_data import Store, rounded
from .record import NET, TURNS
from .source import is_quiet
from .trim import trim_record
from .values import EXACT, MAPS, PIXELS, Shot

ROOM = 59_900  # the largest size of a page in bytes, if its arrays are small

# Levels of detail: the largest size of the page; the distance up to which iterations are kept
# (trim.py); the most entries and columns of an array stored as exact numbers, while others are
# pictures; the most pixels of a picture.
LARGE = [
    (16 * ROOM, TURNS, (EXACT, EXACT), MAPS),
    (24 * ROOM, TURNS, (EXACT, EXACT), MAPS // 3),
    (24 * ROOM, TURNS, (EXACT, EXACT), MAPS // 7),
    (2 * ROOM, TURNS, (EXACT, EXACT), PIXELS),
]
SMALL = [(ROOM, TURNS, (EXACT, EXACT), MAPS)]
COARSE = [(math.inf, 1, (160, 18), 400)]


def steps_html(record, pairs, forward, result, touched):
    """Return the HTML of a record, in less detail if it would exceed the size limit.

    `pairs` is {line: lines of code}.  `forward` is the record of the forward pass, or None.
    `result` is the function's result, {"y": Shot}; step 0 shows it beside the arguments.
    `touched` is {"x": Touches of all its entries, or None} for a backward pass, else empty.
    """
    text = terminal.text(record, most=700, pairs=pairs)
    for limit, distance, *details in (LARGE if is_large(record) else SMALL) + COARSE:
        trimmed = trim_record(record, distance)
        page_text = record_html(trimmed, pairs, forward, result, touched, text, details)
        if len(page_text.encode()) <= limit:
            break
    return page_text


def is_large(record):
    """Return whether an array has more entries than a picture can show."""
    values = [value for step in record.steps for value in step.changed.values()]
    return any(isinstance(value, Shot) and math.prod(value.shape) > PIXELS for value in values)


def record_html(record, pairs, forward, result, touched, text, details):
    """Return the HTML of a record with all its iterations, its arrays stored in this detail."""
    store = Store([record] + [forward] * (forward is not None), *details)
    store.widen(result.values())
    code_of = {id(frame.source): frame.source for frame in record.frames}
    numbers = {key: number for number, key in enumerate(code_of)}
    data = {
        "title": navigation.title(record),
        "start": record.start,
        "failure": navigation.failure(record),
        "sources": [source_data(source, store) for source in code_of.values()],
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
        "loops": to_columns([loop_data(record, number) for number in range(len(record.loops))]),
        "turns": [[turn.loop, turn.number, turn.parent] for turn in record.turns],
        "steps": to_columns([step_data(step, store) for step in record.steps]),
        "pairs": pairs,
        "result": store.ids(result),
        "forward": store.ids(navigation.last_values(forward)) if forward else [],
        "touched": {
            name: touch_data(touches, forward.frames[0].arguments[name], result[f"d{name}"], store)
            for name, touches in touched.items()
            if f"d{name}" in result
        },
    }
    return page_html(data, store, text)


def slides_html(slides):
    """Return the HTML of {label: {name: Shot}}; it has a slider if there are several."""
    store, lines = Store([]), []
    for label, shots in slides.items():
        store.widen(shots.values())
        lines += [label] * bool(label)
        for name, shot in shots.items():
            lines += terminal.array(name, shot, indent="")
    data = [
        [label, [[name, store.id(shot)] for name, shot in shots.items()]]
        for label, shots in slides.items()
    ]
    return page_html({"slides": data}, store, "\n".join(lines))


def page_html(data, store, text):
    data |= {"names": list(store.names), "values": to_columns(store.values), "ranges": store.ranges}
    return embedded(data, text, ["page.css"], ["arrays.js", "frame.js", "steps.js"])


def embedded(data, text, styles, scripts):
    """Return a piece of HTML with its data, and the text that stands there without scripts."""
    data["css"] = "".join(map(minified, styles)).replace("\n", "")
    encoded = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    deflated = base64.b64encode(zlib.compress(encoded, 9)).decode()
    script = "(() => {\n" + "\n".join(map(minified, scripts)) + "\n})();"
    return (
        f'<div class="minicnn-step"><pre>{html.escape(text)}</pre>'
        f'<script type="application/deflated-json">{deflated}</script></div>'
        f"<script>{script}</script>"
    )


def full_page(title, body):
    """Return a complete HTML document."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title>"
        "<style>body{margin:0 auto;padding:2vmin;max-width:1240px}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


PAGE = storage.Kind("a page of a stepper", b"<!DOCTYPE html>.*minicnn-step")


def write_page(path, title, body):
    """Write a self-contained web page as Steps.save does, and return its path."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"save: {path} is a folder; expected the name of a file")
    if path.suffix.lower() not in (".html", ".htm"):
        path = path.with_name(f"{path.name}.html")
    storage.write_text(path, full_page(title, body), PAGE)
    return path


def minified(name, package=__package__):
    """Return a file of a package without indentation, comment lines and most line ends."""
    lines = resources.files(package).joinpath(name).read_text("utf-8").splitlines()
    lines = [s for s in map(str.strip, lines) if s and not s.startswith(("//", "/**"))]
    return "".join(s if s.endswith(tuple("{([,;:")) else s + "\n" for s in lines)


def source_data(source, store):
    """Return the data of a function's source."""
    first = min(statement.line for statement in source.statements.values()) - source.first
    starts = [n for n, line in enumerate(source.lines) if '"""' in line]
    dim = list(range(starts[0], starts[-1] + 1)) if starts and starts[0] <= first else []
    return {
        "name": source.name,
        "file": navigation.file_of(source),
        "first": source.first,
        "lines": source.lines,
        "header": source.header.last,
        "dim": dim,
        "statements": [
            [
                s.line,
                s.last,
                *([store.name(name) for name in part] for part in (s.names, s.again)),
                *[1] * is_quiet(s),
            ]
            for s in {s.line: s for s in source.statements.values()}.values()
        ],
    }


def loop_data(record, number):
    loop = record.loops[number]
    source = record.frames[loop.frame].source
    fields = {"line": loop.line, "frame": loop.frame, "total": loop.total}
    if loop.more:
        fields["more"] = 1
    if source.file == NET:
        fields["layers"] = [layer_name(record, number, turn) for turn in range(1, loop.total + 1)]
    return fields


def layer_name(record, loop, number):
    """Return the name of the layer in this iteration of a loop of net.py."""
    for step in record.steps:
        if step.turn is not None and record.turns[step.turn].loop == loop:
            if record.turns[step.turn].number == number and "layer" in step.changed:
                return step.changed["layer"].text.split(":")[0]
    return ""


def step_data(step, store):
    """Return the data of a step, without empty fields."""
    fields = {
        "changed": store.ids(step.changed),
        "before": store.ids(step.before),
        "after": [step.after, step.loop] if step.after else None,
        "error": f"{type(step.raised).__name__}: {step.raised}" if step.raised else "",
        "note": step.note,
        "links": store.links(step.links),
        "at": [n for name, box in step.at.items() for n in (store.name(name), box)],
        "bases": [
            n
            for base, (view, box) in step.bases.items()
            for n in (store.name(base), [store.name(view), box])
        ],
    }
    fields = {name: value for name, value in fields.items() if value}
    return {"frame": step.frame, "line": step.statement.line, "turn": step.turn, **fields}


def touch_data(touches, argument, gradient, store):
    """Return the data of an argument q: the numbers of q and dq in `values`, and its Touches."""
    fields = {"q": store.id(argument), "dq": store.id(gradient)}
    if touches is None:
        return fields
    smooth = [abs(touch.numeric) for touch in touches if not touch.kink]
    floor = max(smooth, default=0) / 100  # a gradient of 5e-15 that should be 0 is not a mistake
    fields["numeric"] = [rounded(touch.numeric, 7) for touch in touches]
    fields["kinks"] = [n for n, touch in enumerate(touches) if touch.kink]
    fields["analytic"] = {
        n: rounded(touch.analytic, 7)
        for n, touch in enumerate(touches)
        if (touch.kink or touch.wrong)
        and not abs(touch.analytic - touch.numeric)
        <= 1e-6 * max(abs(touch.analytic), abs(touch.numeric), floor)
    }
    return fields


def to_columns(rows):
    """Return {key: [each dict's value, or None]}; `rows` in arrays.js is the inverse."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key) for row in rows] for key in keys}
