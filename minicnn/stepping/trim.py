"""Drop iterations from a record that is too large for a page."""

from dataclasses import replace

from .record import Record


def trim_record(record, most):
    """Return a record without the iterations at a distance of more than `most`.

    Iteration 5 of a loop within iteration 2 of the outer loop has distance 4 + 1.  Layers of a
    network, wanted iterations and one that failed are always kept.  Values that a dropped iteration
    has changed appear in `before` of the next step.
    """
    failed = [turn for step in record.steps if step.raised for turn in record.path(step.turn)]

    def distance(turn):
        stays = record.is_layer(turn) or record.is_wanted(turn) or turn in failed
        return 0 if stays else turn.number - 1

    turns = [n for n in range(len(record.turns)) if sum(map(distance, record.path(n))) <= most]
    new_turn = new_numbers(turns)
    steps = [n for n, step in enumerate(record.steps) if step.turn in {None, *turns}]
    new_step = new_numbers(steps)
    frames = [n for n, frame in enumerate(record.frames) if frame.parent in new_step]
    new_frame = new_numbers(frames)
    loops = [n for n, loop in enumerate(record.loops) if loop.frame in new_frame]
    new_loop = new_numbers(loops)

    trimmed = Record(record.wanted)
    trimmed.error, trimmed.result = record.error, record.result
    trimmed.start = new_step[record.start]
    for frame in (record.frames[n] for n in frames):
        trimmed.frames.append(replace(frame, parent=new_step[frame.parent]))
    for loop in (record.loops[n] for n in loops):
        trimmed.loops.append(replace(loop, frame=new_frame[loop.frame]))
    for turn in (record.turns[n] for n in turns):
        new = new_loop[turn.loop], turn.number, new_turn[turn.parent]
        trimmed.turns.append(type(turn)(*new))
    pending_in = {}  # {frame: the values that dropped steps have changed}
    for step in record.steps:
        pending = pending_in.setdefault(step.frame, {})
        pending |= step.before
        if step.number not in new_step:
            pending |= step.changed
            continue
        trimmed.steps.append(
            replace(
                step,
                number=new_step[step.number],
                frame=new_frame[step.frame],
                turn=new_turn[step.turn],
                loop=new_loop[step.loop],
                before={name: value for name, value in pending.items() if step.loop is None},
            )
        )
        pending.clear()
    return trimmed


def new_numbers(kept):
    """Return {old number: new number}; None maps to None."""
    return {None: None, **{old: new for new, old in enumerate(kept)}}
