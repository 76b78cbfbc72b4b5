"""Steps and arrays as text: in colour where a terminal has it, plain where it has not.

Small arrays are numbers.  Large ones are blocks of colour, two rows of entries in a line of text,
or without colour their shape and range alone.
"""

import os
import re
import shutil
import sys

import numpy as np

from . import navigation
from .record import SHOWN, Turn
from .values import Row, Shot, Text, caption, digits, is_photograph, row_caption, widest

NUMBERS = 100  # entries; up to so many are written out
BOLD, DIM, RED, OFF = (f"\033[{code}m" for code in (1, 2, 31, 0))


def has_colour(file=None):
    """Return whether colours can be shown: on a terminal, unless NO_COLOR or TERM=dumb says no."""
    file = file or sys.stdout
    return (
        not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") != "dumb"
        and hasattr(file, "isatty")
        and file.isatty()
    )


def array(name, value, colour=False, indent="    ", width=None):
    """Return the lines of an array or a row of them: a caption, then numbers or blocks."""
    width = (width or width_of(colour)) - len(indent)
    if isinstance(value, Row):
        lines = [f"{name}  {row_caption(value)}"]
        drawings = [drawn(shot, width, colour, value.shots) for shot in value.shots]
        found = [[f"{name}[{n}]", *drawing] for n, drawing in enumerate(drawings) if drawing]
        lines += [f"  {line}" for line in side_by_side(found, width)]
    else:
        lines = [f"{name}  {caption(value)}"]
        lines += [f"  {line}" for line in drawn(value, width, colour, (value,))]
    return [f"{indent}{line}".rstrip() for line in lines]


def width_of(colour):
    """Return how many characters a line has: those of the terminal, or in plain text 100."""
    return max(44, shutil.get_terminal_size((100, 24)).columns - 3) if colour else 100


def is_small(shot, count=1):
    """Return whether so many arrays like this one are written out as numbers."""
    return 0 < count * np.prod(shot.shape, dtype=int) <= NUMBERS * min(count, 2)


def drawn(shot, width, colour, row):
    """Return an array, one of a row, as lines; none if it is large and there is no colour."""
    if is_small(shot, len(row)):
        return numbers(shot, width)
    if not colour or not shot.panels.size:
        return []
    whole = widest(row)
    return blocks(shot._replace(lo=whole.lo, hi=whole.hi), width)


def numbers(shot, width):
    """Return the entries of a small array, its maps side by side as far as they fit.

    Each image begins a line of its own, with its number before it: the maps of [0], then of [1].
    """
    count = digits(shot)
    text = [[[f"{value:.{count}g}" for value in row] for row in panel] for panel in shot.panels]
    cell = max(len(entry) for panel in text for row in panel for entry in row)
    most = max(1, (width + 2) // (cell + 2))  # entries in a line
    if shot.lo == shot.hi and not shot.bad and shot.panels.shape[2] > most:
        return []  # all of them are alike, and the caption says so
    maps = [folded(panel, cell, most) for panel in text]
    images = list(np.ndindex(shot.shape[:-3]))
    if len(images) == 1:
        return side_by_side(maps, width)
    lines, each = [], shot.shape[-3]
    for n, place in enumerate(images):
        label = str(list(place))
        some = side_by_side(maps[n * each : (n + 1) * each], width - len(label) - 2)
        lines += [""] if n and len(some) > 1 else []
        lines += [f"{label if i == 0 else '':{len(label)}}  {line}" for i, line in enumerate(some)]
    return lines


def folded(panel, cell, most):
    """Return the lines of a map; if it has more than `most` columns, the others stand below."""
    lines = []
    for first in range(0, len(panel[0]), most):
        lines += [""] if lines and len(panel) > 1 else []
        some = [row[first : first + most] for row in panel]
        lines += ["  ".join(entry.rjust(cell) for entry in row) for row in some]
    return lines


def side_by_side(blocks, width):
    """Return blocks of lines side by side as far as they fit, and the others below."""
    rows, used = [], 0
    for block in blocks:
        wide = max(map(breadth, block)) + 4
        if not rows or used + wide - 4 > width:
            rows, used = [*rows, []], 0
        rows[-1].append((block, wide))
        used += wide
    lines = []
    for row in rows:
        lines += [""] if lines else []
        for n in range(max(len(block) for block, _ in row)):
            parts = [(block[n] if n < len(block) else "", wide) for block, wide in row]
            lines.append("".join(part + " " * (wide - breadth(part)) for part, wide in parts))
    return [line.rstrip() for line in lines]


def breadth(line):
    """Return how wide a line is in the terminal, where codes of colours have no width."""
    return len(re.sub("\033.*?m", "", line))


def blocks(shot, width):
    """Return an array as half blocks: ▀ has one entry above in its colour, one below behind it."""
    panels = rgb(shot)
    beside = max(1, (width + 1) // (panels.shape[2] + 1))
    lines = []
    for first in range(0, min(len(panels), 3 * beside), beside):
        some = panels[first : first + beside]
        for row in range(0, some.shape[1], 2):
            parts = []
            for panel in some[:, :, :width]:
                above = panel[row]
                below = panel[row + 1] if row + 1 < len(panel) else None
                below = [None] * len(above) if below is None else below
                parts.append("".join(map(half, above, below)) + OFF)
            lines.append(" ".join(parts))
    return lines


def half(above, below):
    text = f"\033[38;{colour_code(above)}m"
    return text + ("\033[49m▀" if below is None else f"\033[48;{colour_code(below)}m▀")


def colour_code(rgb):
    """Return a colour for the terminal: exact if it says that it can, else the nearest of 216."""
    r, g, b = (int(channel) for channel in rgb)
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return f"2;{r};{g};{b}"
    r, g, b = (round(channel / 255 * 5) for channel in (r, g, b))
    return f"5;{16 + 36 * r + 6 * g + b}"


def rgb(shot):
    """Return the panels in colours, (P, h, w, 3) from 0 to 255; with signs, 0 is white."""
    values = shot.panels.astype(float)
    if is_photograph(shot):
        return np.moveaxis(values.reshape(-1, 3, *values.shape[1:]), 1, -1)
    if shot.lo < 0:
        share = np.nan_to_num(values / max(-shot.lo, shot.hi))[..., None]
        red, blue = np.array([178, 24, 43]), np.array([33, 102, 172])
        towards = np.where(share > 0, red, blue)
        return 255 + np.abs(share).clip(0, 1) * (towards - 255)
    grey = np.nan_to_num(values / (shot.hi or 1)).clip(0, 1) * 255
    return np.repeat(grey[..., None], 3, axis=-1)


def step_lines(record, step, pairs, colour=False, forward=None, asked=True):
    """Return one step as lines: where we are, the line of code, what it made.

    `pairs` is {line of backward: lines of forward}, or None; `forward` what its variables were;
    `asked` says whether there is a prompt after it.
    """
    frame = record.frames[step.frame]
    source, paint = frame.source, painter(colour)
    first = step.statement.line - source.first
    lines = []
    label = navigation.turn_label(record, step)
    place = f"{os.path.basename(source.file)}:{step.statement.line}"
    lines.append(paint(DIM, f"{place}  {source.name}{label}"))
    for text in source.lines[first : first + step.statement.last - step.statement.line + 1]:
        lines.append(paint(RED if step.raised else BOLD, f"  → {text.strip()}"))
    if step.after:
        lines += [f"    {text}" for text in done(record, step, asked)]
    undone = (pairs or {}).get(step.statement.line, ()) if step.frame == 0 else ()
    lines += [paint(DIM, f"    forward: {text}") for text in undone]
    twins = {}  # q for dq, where both are small and dq has anything in it
    for name, value in step.changed.items():
        q = navigation.latest(record, step, name[1:])
        q = (forward or {}).get(name[1:]) if q is None and step.frame == 0 else q
        if name[0] == "d" and name[1:] not in step.changed and isinstance(q, Shot):
            filled = isinstance(value, Shot) and (value.lo or value.hi)
            if filled and q.shape == value.shape and is_small(q):
                twins[name] = q
    entries = [
        entry_of(name, navigation.latest(record, step, name), at) for name, at in step.at.items()
    ]
    lines += [paint(DIM, f"    at {', '.join(entries)}")] * bool(entries)
    lines += values_lines(step.changed, colour, twins)
    if step.raised:
        lines.append(paint(RED, f"    ✗ {type(step.raised).__name__}: {step.raised}"))
    if step.note:
        lines.append(paint(RED, f"    {step.note}"))
    return lines


def entry_of(name, shot, at):
    """Return an entry of an array as one would write it: x[2, 0, 1]."""
    index = np.unravel_index(at, shot.shape)
    return f"{name}[{', '.join(map(str, index))}]"


def done(record, step, asked):
    """Return the lines that say that a loop is done, and how to see the turns that were passed by.

    What all of them changed stands below, if they did.
    """
    last, text = step.after, f"done after {step.after} turns"
    if last > SHOWN and not record.is_row(Turn(step.loop, last, None)):
        turns = navigation.turns_around(record, step, step.loop, last)
        call = "steps" + "".join(f".turn({line}, {number})" for line, number in turns)
        how = f"t {last}" if asked else call
        text += f", of which the first {SHOWN} are shown; {how} shows turn {last}"
    return [text, *["together they changed"] * bool(step.changed)]


def values_lines(named, colour=False, twins=None):
    """Return the lines of {name: value}: what is no array goes into one line if it fits.

    `twins` is {"dq": q}, for gradients that what they belong to stands beside.
    """
    words = [f"{name} = {value.text}" for name, value in named.items() if isinstance(value, Text)]
    together = "   ".join(words)
    lines = [f"    {text}" for text in ([together] if len(together) < 90 else words) if text]
    for name, value in named.items():
        if isinstance(value, Text):
            continue
        group = {name: value, name[1:]: twins[name]} if name in (twins or {}) else {name: value}
        width = width_of(colour)
        both = [array(key, one, colour, width=width // 2) for key, one in group.items()]
        if len(both) == 2 and sum(max(map(breadth, one)) + 4 for one in both) <= width + 4:
            lines += side_by_side(both, width)
        else:
            for key, one in group.items():
                lines += array(key, one, colour)
    return lines


def painter(colour):
    return (lambda code, text: f"{code}{text}{OFF}") if colour else (lambda code, text: text)


def text(record, most=8000, pairs=None, forward=None):
    """Return the steps of the function itself as plain text, about `most` characters of it.

    Where one begins in a turn of a loop: the steps of that turn.
    """
    lines, length = (
        [navigation.title(record)] + [navigation.failure(record)] * bool(record.error),
        0,
    )
    first = record.steps[record.start]
    for step in navigation.steps(record, first.frame, navigation.picks(record, first)):
        if first.turn is not None and record.turns[first.turn] not in record.path(step.turn):
            continue
        some = step_lines(record, step, pairs, forward=forward, asked=False)
        length += sum(map(len, some))
        if length > most and step is not first:
            lines.append("… and more; .show() walks through all of it")
            break
        lines += some
    return "\n".join(lines)
