"""In which order a reader goes through the steps of a record.

From line to line of one frame: over a call, unless it is opened, and through the first two turns of
a loop, unless another turn is picked; and in any case to the line that failed.
"""

from .record import PATIENCE, WATCHED


def steps(record, frame, picked=None):
    """Return the steps of a frame in reading order; picked is {loop: turn number}."""
    picked, found = picked or {}, []
    for step in record.steps:
        if step.frame != frame:
            continue
        turns = [t for t in record.path(step.turn) if record.loops[t.loop].frame == frame]
        shown = all(record.is_shown(t) or picked.get(t.loop) == t.number for t in turns)
        if shown or step.raised:
            found.append(step)
    return found


def picks(record, step):
    """Return what must be picked, {loop: turn number}, for a step to be among those shown."""
    return {turn.loop: turn.number for turn in record.path(step.turn)}


def following(record, step, picked):
    """Return the step after this one: where a call is over, the next one of the caller, or None."""
    while True:
        found = steps(record, step.frame, picked)
        after = found.index(step) + 1
        if after < len(found):
            return found[after]
        parent = record.frames[step.frame].parent
        if parent is None:
            return None
        step = record.steps[parent]


def loop_of(record, step):
    """Return the loop that a step ends, or else the innermost one that it stands in, or None."""
    around = [turn.loop for turn in record.path(step.turn)]
    own = [loop for loop in around if record.loops[loop].frame == step.frame]
    return own[0] if own and step.loop is None else step.loop


def turns_around(record, step, loop, number):
    """Return [(line, number of a turn), …], outermost first, that lead to a turn of a loop.

    The loop is one that the step stands in, or ends.
    """
    path = list(record.path(step.turn))
    inner = [n for n, turn in enumerate(path) if turn.loop == loop]
    outer = path[inner[0] + 1 :] if inner else path
    lines = [(record.loops[turn.loop].line, turn.number) for turn in reversed(outer)]
    return [*lines, (record.loops[loop].line, number)]


def first_in(record, turns, calls=None):
    """Return the first step in these turns, [(line, number), …] with the outermost first, or None.

    `calls` says in which call, as `calls_to` has it; otherwise other turns may be around these, and
    those that are wanted come first.
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
    """Return which calls led to a frame: for each the line, and how many calls of it came before.

    Another run of the same function has the same.
    """
    parent = record.frames[frame].parent
    if parent is None:
        return ()
    caller = record.steps[parent]
    before = [one.parent for one in record.frames[:frame]].count(parent)
    return (*calls_to(record, caller.frame), (caller.statement.line, before))


def latest(record, step, name):
    """Return what a variable is when a step is done, or None."""
    for other in reversed(record.steps[: step.number + 1]):
        if other.frame == step.frame:
            for values in (other.changed, other.before):
                if name in values:
                    return values[name]
    return record.frames[step.frame].arguments.get(name)


def last_values(record):
    """Return what the variables of the function itself were in the end."""
    values = dict(record.frames[0].arguments)
    for step in record.steps:
        if step.frame == 0:
            values |= step.before | step.changed
    return values


def turn_label(record, step):
    """Return where in its loops a step is: ", turn 2 of 9", or ", turns i 1/3, j 2/9"."""
    turns = [t for t in record.path(step.turn) if record.loops[t.loop].frame == step.frame]
    if len(turns) == 1:
        return f", turn {turns[0].number} of {total(record.loops[turns[0].loop])}"
    statements, parts = record.frames[step.frame].source.statements, []
    for turn in reversed(turns):
        loop = record.loops[turn.loop]
        variables = ", ".join(statements[loop.line].makes) or "while"
        parts.append(f"{variables} {turn.number}/{total(loop)}")
    return f", turns {', '.join(parts)}" if parts else ""


def has_turn(loop, number):
    """Return whether a loop has this turn, as far as one knows."""
    return number >= 1 and (number <= loop.total or loop.more)


def beginnings(record):
    """Return where loops begin: "the loop begins in line 60", or "loops begin in lines 53, 60".

    Of another file than the function's own the name stands there, too.
    """
    files = {record.frames[0].source.file: set()}
    for loop in record.loops:
        source = record.frames[loop.frame].source
        files.setdefault(source.file, set()).add((loop.line, file_of(source)))
    places = []
    for file, found in files.items():
        lines = ", ".join(str(line) for line, _ in sorted(found))
        text = f"in line{'s' * (len(found) > 1)} {lines}"
        if file != record.frames[0].source.file:
            text += f" of {min(name for _, name in found)}"
        places += [text] * bool(found)
    count = sum(map(len, files.values()))
    if not count:
        return "the function has none"
    return f"{'loops begin' if count > 1 else 'the loop begins'} {' and '.join(places)}"


def unreached(record):
    """Return why a turn that was wanted is not in a record."""
    if any(frame.cut for frame in record.frames):
        most = WATCHED * PATIENCE
        return f"was not reached in the first {most:,} lines of a kernel; smaller arrays have fewer"
    return "was not reached when the function ran once more; does it do the same every time?"


def total(loop):
    """Return how many turns a loop had: "9", or "9+" if the rest of them ran compiled."""
    return f"{loop.total}+" if loop.more else str(loop.total)


def failure(record):
    """Return a sentence that says how the function failed, or "" if it returned."""
    if record.error is None:
        return ""
    why = f"{type(record.error).__name__}: {record.error}"
    return f"{record.frames[0].source.name} did not return; .result raises {why}"


def title(record):
    """Return the function's name and where it stands."""
    source = record.frames[0].source
    return f"{source.name}, {file_of(source)}:{source.first}"


def file_of(source):
    """Return the end of a file's path: "reference/conv.py"."""
    path = source.file.replace("\\", "/")
    return "/".join(path.split("/")[-2:]) if path[0] != "<" else path
