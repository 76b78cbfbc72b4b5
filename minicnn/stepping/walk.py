"""In which order a reader goes through the steps of a record.

From line to line of one frame: over a call, unless it is opened, and through the first two turns of
a loop, unless another turn is picked; and in any case to the line that failed.
"""


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


def to_turn(record, frame, picked, loop, number):
    """Pick a turn of a loop that was kept; return the steps and the place of its first one."""
    picked[loop] = number
    found = steps(record, frame, picked)
    for place, step in enumerate(found):
        if any(t.loop == loop and t.number == number for t in record.path(step.turn)):
            return found, place


def loop_of(record, step):
    """Return the loop that a step ends, or else the innermost one that it stands in, or None."""
    around = [turn.loop for turn in record.path(step.turn)]
    own = [loop for loop in around if record.loops[loop].frame == step.frame]
    return own[0] if own and step.loop is None else step.loop


def turns_of(record, loop):
    """Return the turns that were kept of a loop, in their order."""
    return [turn for turn in record.turns if turn.loop == loop]


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
