"""The order in which a reader visits the steps of a record.

A reader goes from line to line within one frame.  Calls are stepped over unless they are opened.
A loop shows its first two iterations and any other that the reader picks.  The line that failed is
always shown.
"""

from .record import PATIENCE, WATCHED
from .source import is_quiet


def visible_steps(record, frame, picked=None):
    """Return the visible steps of a frame in order; `picked` is {loop: iteration}."""
    picked, visible = picked or {}, []
    for step in record.steps:
        if step.frame != frame:
            continue
        turns = [t for t in record.path(step.turn) if record.loops[t.loop].frame == frame]
        shown = all(record.is_shown(t) or picked.get(t.loop) == t.number for t in turns)
        if shown or step.raised:
            visible.append(step)
    return visible


def picks(record, step):
    """Return the picks, {loop: iteration}, that make a step visible."""
    return {turn.loop: turn.number for turn in record.path(step.turn)}


def without_quiet(steps, step=None):
    """Return the steps without those that teach nothing; `step` and one that failed stay."""
    return [one for one in steps if one is step or one.raised or not is_quiet(one.statement)]


def next_step(record, step, picked, every=True):
    """Return the next step, or None at the end; after a call it is the caller's next step.

    Without `every`, steps that teach nothing are passed over.
    """
    while True:
        visible = visible_steps(record, step.frame, picked)
        visible = visible if every else without_quiet(visible, step)
        after = visible.index(step) + 1
        if after < len(visible):
            return visible[after]
        parent = record.frames[step.frame].parent
        if parent is None:
            return None
        step = record.steps[parent]


def loop_of(record, step):
    """Return the loop that a step ends, else the innermost loop around it, else None."""
    around = [turn.loop for turn in record.path(step.turn)]
    in_frame = [loop for loop in around if record.loops[loop].frame == step.frame]
    return in_frame[0] if in_frame and step.loop is None else step.loop


def turns_around(record, step, loop, number):
    """Return the path to an iteration of a loop: [(line, iteration), …], outermost first.

    The loop contains the step or ends with it.
    """
    path = list(record.path(step.turn))
    inner = [n for n, turn in enumerate(path) if turn.loop == loop]
    outer = path[inner[0] + 1 :] if inner else path
    lines = [(record.loops[turn.loop].line, turn.number) for turn in reversed(outer)]
    return [*lines, (record.loops[loop].line, number)]


def first_step_in(record, turns, calls=None):
    """Return the first step at a path of iterations, [(line, iteration), …], or None.

    `calls`, a result of `calls_to`, restricts the search to one call.  Without it, other iterations
    may surround the path, and a step in requested iterations is preferred.
    """
    best, most = None, -1
    for step in record.steps:
        path = [*record.path(step.turn)][::-1]
        lines = [(record.loops[turn.loop].line, turn.number) for turn in path]
        if calls is not None:
            if lines[: len(turns)] == turns and calls_to(record, step.frame) == calls:
                return step
        elif set(turns) <= set(lines):
            wanted = sum(map(record.is_wanted, path))
            if wanted > most:
                best, most = step, wanted
    return best


def calls_to(record, frame):
    """Return the calls that led to a frame: ((line, earlier calls from that step), …).

    They are the same in another run of the function.
    """
    parent = record.frames[frame].parent
    if parent is None:
        return ()
    caller = record.steps[parent]
    earlier = [other.parent for other in record.frames[:frame]].count(parent)
    return (*calls_to(record, caller.frame), (caller.statement.line, earlier))


def latest(record, step, name):
    """Return the value of a variable after a step, or None."""
    for other in reversed(record.steps[: step.number + 1]):
        if other.frame == step.frame:
            for values in (other.changed, other.before):
                if name in values:
                    return values[name]
    return record.frames[step.frame].arguments.get(name)


def last_values(record):
    """Return the final values of the function's own variables."""
    values = dict(record.frames[0].arguments)
    for step in record.steps:
        if step.frame == 0:
            values |= step.before | step.changed
    return values


def turn_label(record, step):
    """Return a step's place in its loops: ", iteration 2 of 9" or ", iterations i 1/3, j 2/9"."""
    turns = [t for t in record.path(step.turn) if record.loops[t.loop].frame == step.frame]
    if len(turns) == 1:
        return f", iteration {turns[0].number} of {total(record.loops[turns[0].loop])}"
    statements, parts = record.frames[step.frame].source.statements, []
    for turn in reversed(turns):
        loop = record.loops[turn.loop]
        variables = ", ".join(statements[loop.line].makes) or "while"
        parts.append(f"{variables} {turn.number}/{total(loop)}")
    return f", iterations {', '.join(parts)}" if parts else ""


def has_turn(loop, number):
    """Return whether a loop has, or may have, an iteration of this number."""
    return number >= 1 and (number <= loop.total or loop.more)


def loop_lines(record):
    """Return where loops begin: "the loop begins in line 60" or "loops begin in lines 53, 60".

    Lines of other files are given with the file's name.
    """
    files = {record.frames[0].source.file: set()}
    for loop in record.loops:
        source = record.frames[loop.frame].source
        files.setdefault(source.file, set()).add((loop.line, file_of(source)))
    places = []
    for file, loops in files.items():
        lines = ", ".join(str(line) for line, _ in sorted(loops))
        text = f"in line{'s' * (len(loops) > 1)} {lines}"
        if file != record.frames[0].source.file:
            text += f" of {min(name for _, name in loops)}"
        places += [text] * bool(loops)
    count = sum(map(len, files.values()))
    if not count:
        return "the function has no loops"
    return f"{'loops begin' if count > 1 else 'the loop begins'} {' and '.join(places)}"


def why_unreached(record):
    """Return why a record lacks a requested iteration, as the end of a sentence."""
    if any(frame.cut for frame in record.frames):
        most = WATCHED * PATIENCE
        return f"was not reached in the first {most:,} lines of a kernel; try smaller arrays"
    return "was not reached when the function ran again; does it do the same every time?"


def total(loop):
    """Return the number of iterations of a loop: "9", or "9+" if the rest ran compiled."""
    return f"{loop.total}+" if loop.more else str(loop.total)


def failure(record):
    """Return a sentence that says how the function failed, or "" if it returned."""
    if record.error is None:
        return ""
    error = f"{type(record.error).__name__}: {record.error}"
    return f"{record.frames[0].source.name} did not return; .result raises {error}"


def title(record):
    """Return the function's name, file and first line."""
    source = record.frames[0].source
    return f"{source.name}, {file_of(source)}:{source.first}"


def file_of(source):
    """Return the end of a file's path, "reference/conv.py", or "a cell" of a notebook."""
    path = source.file.replace("\\", "/")
    if "/ipykernel_" in path:
        return "a cell"
    return "/".join(path.split("/")[-2:]) if path[0] != "<" else path
