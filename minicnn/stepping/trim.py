"""Make a record shorter: without turns for which a page has no room."""

from dataclasses import replace

from .record import Record


def shorter(record, most):
    """Return a record without turns that are more than `most` turns away from the first ones.

    Turn 5 of a loop, in turn 2 of the loop around it, is 4 + 1 away.  Rows of a network, turns that
    are wanted and a turn that failed stay.  What the turns left out have changed, the next step
    says with what `before` is.
    """
    failed = [turn for step in record.steps if step.raised for turn in record.path(step.turn)]

    def away(turn):
        stays = record.is_row(turn) or record.is_wanted(turn) or turn in failed
        return 0 if stays else turn.number - 1

    turns = [n for n in range(len(record.turns)) if sum(map(away, record.path(n))) <= most]
    new_turn = new_numbers(turns)
    steps = [n for n, step in enumerate(record.steps) if step.turn in {None, *turns}]
    new_step = new_numbers(steps)
    frames = [n for n, frame in enumerate(record.frames) if frame.parent in new_step]
    new_frame = new_numbers(frames)
    loops = [n for n, loop in enumerate(record.loops) if loop.frame in new_frame]
    new_loop = new_numbers(loops)

    found = Record(record.wanted)
    found.error, found.result = record.error, record.result
    found.start = new_step[record.start]
    for frame in (record.frames[n] for n in frames):
        found.frames.append(replace(frame, parent=new_step[frame.parent]))
    for loop in (record.loops[n] for n in loops):
        found.loops.append(replace(loop, frame=new_frame[loop.frame]))
    for turn in (record.turns[n] for n in turns):
        new = new_loop[turn.loop], turn.number, new_turn[turn.parent]
        found.turns.append(type(turn)(*new))
    unsaid = {}  # of each frame: what steps that are left out have changed
    for step in record.steps:
        said = unsaid.setdefault(step.frame, {})
        said |= step.before
        if step.number not in new_step:
            said |= step.changed
            continue
        found.steps.append(
            replace(
                step,
                number=new_step[step.number],
                frame=new_frame[step.frame],
                turn=new_turn[step.turn],
                loop=new_loop[step.loop],
                before={name: value for name, value in said.items() if step.loop is None},
            )
        )
        said.clear()
    return found


def new_numbers(kept):
    """Return {old number: new number}; nothing stays nothing."""
    return {None: None, **{old: new for new, old in enumerate(kept)}}
