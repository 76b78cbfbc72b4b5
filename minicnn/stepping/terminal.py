"""Steps and arrays as text, in colour where the terminal supports it.

Small arrays are printed as numbers.  Large arrays become blocks of colour, with two rows of entries
in a line of text; without colour steps print only their shape and range, pictures shades.
"""

import os
import re
import shutil
import sys
import textwrap

import numpy as np

from . import navigation
from .boxes import index_text
from .record import SHOWN, Turn
from .values import MID, Row, Shot, Text, caption, digits, is_unwritten, number, row_caption, widest

NUMBERS = 100  # an array with at most this many entries is printed as numbers
SHADES = " ░▒▓█"  # from dark to light
LEVELS = 0, 95, 135, 175, 215, 255  # of red, green and blue in 216 of a terminal's 256 colours
BOLD, DIM, RED, OFF = (f"\033[{code}m" for code in (1, 2, 31, 0))


def has_colour(file=None):
    """Return whether to use colours: on a terminal, unless NO_COLOR or TERM=dumb is set."""
    file = file or sys.stdout
    return (
        not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") != "dumb"
        and hasattr(file, "isatty")
        and file.isatty()
    )


def array(name, value, colour=False, indent="    ", width=None, box=None):
    """Return the lines of an array or a Row: a caption, then numbers or blocks.

    The numbers in a `box` of an array have brackets around them.
    """
    width = (width or width_of(colour)) - len(indent)
    if isinstance(value, Row):
        lines = [f"{name}  {row_caption(value)}"]
        drawings = [drawn(shot, width, colour, value.shots) for shot in value.shots]
        labelled = [[f"{name}[{n}]", *drawing] for n, drawing in enumerate(drawings) if drawing]
        lines += [f"  {line}" for line in side_by_side(labelled, width)]
    else:
        lines = wrapped(f"{name}  {caption(value)}", colour, 4)
        if box:
            lines += [f"  {line}" for line in numbers(value, width, box)]
        else:
            lines += [f"  {line}" for line in drawn(value, width, colour, (value,))]
    return [f"{indent}{line}".rstrip() for line in lines]


def width_of(colour):
    """Return the width of a line in characters: the terminal's, and at most 100 in plain text."""
    columns = max(44, shutil.get_terminal_size((100, 24)).columns)
    return columns - 3 if colour else min(100, columns)


def is_small(shot, count=1):
    """Return whether `count` arrays like this one are printed as numbers."""
    return 0 < count * np.prod(shot.shape, dtype=int) <= NUMBERS * min(count, 2)


def drawn(shot, width, colour, row):
    """Return the lines of one array of a row, or none if it is large and there is no colour."""
    if is_small(shot, len(row)):
        return numbers(shot, width)
    if not colour or not shot.panels.size:
        return []
    whole = widest(row)
    return fitted_blocks(shot._replace(lo=whole.lo, hi=whole.hi), width)


def numbers(shot, width, box=None):
    """Return the entries of a small array, with its maps side by side as far as they fit.

    Each image starts a new line, which begins with its index: the maps of [0], then of [1].
    """
    count = digits(shot)
    text = [[[f"{value:.{count}g}" for value in row] for row in panel] for panel in shot.panels]
    for panel, row, column in np.argwhere(is_unwritten(shot.panels)):
        text[panel][row][column] = "·"
    if box:
        inside = np.zeros(shot.shape, bool)
        inside[tuple(slice(*axis) for axis in box)] = True
        for panel, row, column in np.ndindex(shot.panels.shape):
            ends = "[]" if inside.reshape(shot.panels.shape)[panel, row, column] else "  "
            text[panel][row][column] = text[panel][row][column].join(ends)
    cell = max(len(entry) for panel in text for row in panel for entry in row)
    most = max(1, (width + 2) // (cell + 2))  # the most entries in a line
    if shot.lo == shot.hi and not shot.bad and shot.panels.shape[2] > most:
        return []  # all entries are equal, which the caption says
    maps = [folded(panel, cell, most) for panel in text]
    images = list(np.ndindex(shot.shape[:-3]))
    if len(images) == 1:
        return side_by_side(maps, width)
    lines, each = [], shot.shape[-3]
    for n, place in enumerate(images):
        label = str(list(place))
        block = side_by_side(maps[n * each : (n + 1) * each], width - len(label) - 2)
        lines += [""] if n and len(block) > 1 else []
        lines += [f"{label if i == 0 else '':{len(label)}}  {line}" for i, line in enumerate(block)]
    return lines


def folded(panel, cell, most):
    """Return the lines of a map; columns beyond the first `most` follow below."""
    lines = []
    for first in range(0, len(panel[0]), most):
        lines += [""] if lines and len(panel) > 1 else []
        rows = [row[first : first + most] for row in panel]
        lines += ["  ".join(entry.rjust(cell) for entry in row) for row in rows]
    return lines


def side_by_side(blocks, width):
    """Return blocks of lines side by side, with those that do not fit below."""
    lines = []
    for row in rows_of(blocks, width):
        lines += [""] * bool(lines) + row
    return lines


def rows_of(blocks, width):
    """Return blocks of lines as rows, each with the lines of those that fit side by side."""
    rows, used = [], 0
    for block in blocks:
        wide = max(map(breadth, block)) + 4
        if not rows or used + wide - 4 > width:
            rows, used = [*rows, []], 0
        rows[-1].append((block, wide))
        used += wide
    for i, row in enumerate(rows):
        rows[i] = []
        for n in range(max(len(block) for block, _ in row)):
            parts = [(block[n] if n < len(block) else "", wide) for block, wide in row]
            line = "".join(part + " " * (wide - breadth(part)) for part, wide in parts)
            rows[i].append(line.rstrip())
    return rows


def breadth(line):
    """Return the width of a line in the terminal, without its colour codes."""
    return len(re.sub("\033.*?m", "", line))


def shades(shot, width):
    """Return a large array in shades, with their meaning below; none if all entries are equal."""
    if is_small(shot) or shot.lo == shot.hi:
        return []
    middle, top = "", max(-shot.lo, shot.hi)
    if shot.rgb is not None:
        ends = "black", "white"
    elif shot.lo < 0:
        ends, middle = (number(-top), number(top)), "▒ 0, "
    else:
        ends = "0", number(top)
    return [*fitted_blocks(shot, width, colour=False), f"(blank is {ends[0]}, {middle}█ {ends[1]})"]


def fitted_blocks(shot, width, colour=True):
    """Return the blocks of an array whose maps are no wider and no higher than the screen."""
    _, h, w = shot.panels.shape
    every = max(1, -(-w // width), -(-h // (2 * height())))
    lines = blocks(shot._replace(panels=shot.panels[:, ::every, ::every]), width, colour)
    return lines + [f"(every {ordinal(every)} row and column)"] * (every > 1)


def ordinal(n):
    return {2: "second", 3: "third"}.get(n, f"{n}th")


def height():
    """Return how many lines a picture may have: the terminal's, but for some lines of text."""
    return max(6, shutil.get_terminal_size((100, 999)).lines - 6)


def blocks(shot, width, colour=True):
    """Return an array as lines of blocks, each of which shows two entries, one below the other.

    In colour, ▀ shows the upper entry in front and the lower as background; else a shade shows
    their mean.
    """
    panels, ink, end = (rgb(shot), half, OFF) if colour else (greys(shot), shade, "")
    across = max(1, (width + 1) // (panels.shape[2] + 1))
    down = min(3, max(1, height() // -(-panels.shape[1] // 2)))  # three rows of maps are enough
    lines, most = [], down * across
    for first in range(0, min(len(panels), most), across):
        group = panels[first : first + across]
        for row in range(0, group.shape[1], 2):
            parts = []
            for panel in group[:, :, :width]:
                above = panel[row]
                below = panel[row + 1] if row + 1 < len(panel) else None
                below = [None] * len(above) if below is None else below
                parts.append("".join(map(ink, above, below)) + end)
            lines.append(" ".join(parts))
    return lines + [f"({most} of {len(panels)} maps)"] * (len(panels) > most)


def half(above, below):
    text = f"\033[38;{colour_code(above)}m"
    return text + ("\033[49m▀" if below is None else f"\033[48;{colour_code(below)}m▀")


def shade(above, below):
    grey = np.mean(above if below is None else [above, below])
    return SHADES[int(grey / 256 * len(SHADES))]


def colour_code(rgb):
    """Return the terminal's code of a colour: exact if supported, else the nearest of 256."""
    r, g, b = (int(channel) for channel in rgb)
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return f"2;{r};{g};{b}"
    levels = [0 if c < 48 else 1 if c < 115 else (c - 35) // 40 for c in (r, g, b)]
    cube = 16 + 36 * levels[0] + 6 * levels[1] + levels[2], [LEVELS[n] for n in levels]
    step = min(23, max(0, round((r + g + b) / 30 - 0.8)))  # of 24 shades of grey
    code, _ = min(
        (cube, (232 + step, [8 + 10 * step] * 3)),
        key=lambda it: sum((a - b) ** 2 for a, b in zip(it[1], (r, g, b), strict=True)),
    )
    return f"5;{code}"


def rgb(shot):
    """Return the panels' colours, (P, h, w, 3) from 0 to 255; zero is white in signed arrays."""
    values = shot.panels.astype(float)
    if shot.rgb is not None:
        colours = np.nan_to_num(values + shot.rgb, nan=MID).clip(0, 255)
        return np.moveaxis(colours.reshape(-1, 3, *values.shape[1:]), 1, -1)
    if shot.lo < 0:
        share = np.nan_to_num(values / max(-shot.lo, shot.hi))[..., None]
        red, blue = np.array([178, 24, 43]), np.array([33, 102, 172])
        towards = np.where(share > 0, red, blue)
        return 255 + np.abs(share).clip(0, 1) * (towards - 255)
    grey = np.nan_to_num(values / (shot.hi or 1)).clip(0, 1) * 255
    return np.repeat(grey[..., None], 3, axis=-1)


def greys(shot):
    """Return the panels in shades of grey, (P, h, w) from 0 to 255; zero is mid grey if signed."""
    if shot.rgb is not None or shot.lo >= 0:
        return rgb(shot).mean(axis=-1)
    share = np.nan_to_num(shot.panels.astype(float) / max(-shot.lo, shot.hi))
    return 127.5 * (1 + share.clip(-1, 1))


def step_lines(record, step, pairs, colour=False, forward=None, asked=True):
    """Return one step as lines: its place, the line of code and the values that it changed.

    `pairs` is {line of backward: lines of forward}, or None.  `forward` has the final values of
    forward's variables.  `asked` says whether a prompt follows.
    """
    frame = record.frames[step.frame]
    source, paint = frame.source, painter(colour)
    first = step.statement.line - source.first
    lines = []
    label = navigation.turn_label(record, step)
    place = f"{os.path.basename(navigation.file_of(source))}:{step.statement.line}"
    lines.append(paint(DIM, f"{place}  {source.name}{label}"))
    for text in source.lines[first : first + step.statement.last - step.statement.line + 1]:
        for part in wrapped(f"  → {text.strip()}", colour, 8):
            lines.append(paint(RED if step.raised else BOLD, part))
    if step.after:
        for text in loop_end(record, step, asked):
            lines += wrapped(f"    {text}", colour, 8)
    undone = (pairs or {}).get(step.statement.line, ()) if step.frame == 0 else ()
    for text in undone:
        lines += [paint(DIM, part) for part in wrapped(f"    forward: {text}", colour, 8)]
    twins = {}  # {"dq": q} where both are small and dq is not all 0
    for name, value in step.changed.items():
        q = navigation.latest(record, step, name[1:])
        q = (forward or {}).get(name[1:]) if q is None and step.frame == 0 else q
        if name[0] == "d" and name[1:] not in step.changed and isinstance(q, Shot):
            filled = isinstance(value, Shot) and (value.lo or value.hi)
            if filled and q.shape == value.shape and is_small(q):
                twins[name] = q
    parts = [part_of(record, step, name, box) for name, box in step.at.items()]
    lines += [paint(DIM, f"    at {', '.join(parts)}")] * bool(parts)
    for name, (view, box) in step.bases.items():
        lines.append(paint(DIM, f"    {view} is {part_of(record, step, name, box)}"))
    for name, box in (step.at | {name: box for name, (_, box) in step.bases.items()}).items():
        shot = navigation.latest(record, step, name)
        several = any(end - first > 1 for first, end, _ in box)
        if several and name not in step.changed and is_small(shot):
            lines += array(name, shot, colour, box=box)
    lines += values_lines(step.changed, colour, twins)
    if step.raised:
        lines.append(paint(RED, f"    ✗ {type(step.raised).__name__}: {step.raised}"))
    if step.note:
        lines.append(paint(RED, f"    {step.note}"))
    return lines


def wrapped(line, colour, indent):
    """Return a line as lines that are no wider than the terminal; later ones are indented."""
    start = line[: len(line) - len(line.lstrip())]
    indents = {"initial_indent": start, "subsequent_indent": " " * indent}
    width = width_of(colour)
    return textwrap.wrap(
        line.strip(), width, break_on_hyphens=False, drop_whitespace=True, **indents
    )


def part_of(record, step, name, box):
    """Return a part of an array as text: "x[2, 0:2, 1:3]"."""
    return index_text(name, box, navigation.latest(record, step, name).shape)


def loop_end(record, step, asked):
    """Return the lines at the end of a loop, which say how to see its skipped iterations."""
    last, text = step.after, f"done after {step.after} iterations"
    if last > SHOWN and not record.is_layer(Turn(step.loop, last, None)):
        turns = navigation.turns_around(record, step, step.loop, last)
        call = "steps" + "".join(f".turn({line}, {number})" for line, number in turns)
        how = f"t {last}" if asked else call
        text += f"; the first {SHOWN} are shown, and {how} shows iteration {last}"
    return [text, *["together they changed"] * bool(step.changed)]


def values_lines(named, colour=False, twins=None):
    """Return the lines of {name: value}; values other than arrays share a line if they fit.

    `twins` is {"dq": q}, for gradients that are printed beside their variable.
    """
    words = [f"{name} = {value.text}" for name, value in named.items() if isinstance(value, Text)]
    together = "   ".join(words)
    one = len(together) < width_of(colour) - 8
    lines = [
        line
        for text in ([together] if one else words)
        if text
        for line in wrapped(f"    {text}", colour, 8)
    ]
    for name, value in named.items():
        if isinstance(value, Text):
            continue
        group = {name: value, name[1:]: twins[name]} if name in (twins or {}) else {name: value}
        width = width_of(colour)
        blocks = [array(key, shot, colour, width=width // 2) for key, shot in group.items()]
        if len(blocks) == 2 and sum(max(map(breadth, b)) + 4 for b in blocks) <= width + 4:
            lines += side_by_side(blocks, width)
        else:
            for key, shot in group.items():
                lines += array(key, shot, colour)
    return lines


def painter(colour):
    return (lambda code, text: f"{code}{text}{OFF}") if colour else (lambda code, text: text)


def text(record, most=8000, pairs=None, forward=None):
    """Return the steps of the function itself as plain text of about `most` characters.

    If the record starts in an iteration of a loop, only the steps of that iteration are returned.
    """
    lines = [navigation.title(record)] + [navigation.failure(record)] * bool(record.error)
    length = 0
    first = record.steps[record.start]
    for step in navigation.visible_steps(record, first.frame, navigation.picks(record, first)):
        if first.turn is not None and record.turns[first.turn] not in record.path(step.turn):
            continue
        block = step_lines(record, step, pairs, forward=forward, asked=False)
        length += sum(map(len, block))
        if length > most and step is not first:
            lines.append("… and more; .show() walks through all steps")
            break
        lines += block
    return "\n".join(lines)
