"""Walk through steps in a terminal: print one, ask, and do what is answered.

An answer that cannot be followed gets a sentence, and one stays where one is.
"""

import re

from . import navigation
from .terminal import DIM, RED, has_colour, painter, step_lines, values_lines

HELP = "Enter: on   b: back   o: open the call   u: up   t 5: turn 5   r: run on   q: quit"
TOUCH = "On the way back, w[0, 1] touches that entry: its finite difference, and its gradient."


def show(record, pause=input, pairs=None, forward=None, again=None, touch=None):
    """Print step by step, asking pause(prompt) after each of them; with None, without a stop.

    again(turns) returns the record of another run that has kept these turns, {line of a loop:
    number}; touch(name, index) returns a Touch, on the way back.
    """
    colour = has_colour()
    paint = painter(colour)
    print(navigation.title(record))
    if record.error is not None:
        print(paint(RED, navigation.failure(record)))
    step = record.steps[record.start]
    picked = navigation.picks(record, step)
    if pause:
        print(paint(DIM, f"{HELP}\n{TOUCH}" if touch else HELP))
    sorry = ""
    while step:
        print(sorry or "\n".join(step_lines(record, step, pairs, colour, forward, bool(pause))))
        sorry = ""
        if not pause:
            step = navigation.following(record, step, picked)
            continue
        steps = navigation.steps(record, step.frame, picked)
        at, parent = steps.index(step), record.frames[step.frame].parent
        calls = [i for i, one in enumerate(record.frames) if one.parent == step.number]
        hint = f" [o: open {record.frames[calls[0]].source.name}]" if calls else ""
        answer = ask(pause, f"{at + 1}/{len(steps)}{hint} ")
        if answer == "q":
            return
        if answer in ("", "r"):
            pause = None if answer == "r" else pause
            step = navigation.following(record, step, picked)
        elif answer == "b" and at:
            step = steps[at - 1]
        elif answer == "o" and calls:
            step = navigation.steps(record, calls[0], picked)[0]
        elif answer == "u" and parent is not None:
            step = record.steps[parent]
        elif number := re.fullmatch(r"t ?(\d+)", answer):
            try:
                record, step = to_turn(record, step, int(number[1]), again)
                picked = navigation.picks(record, step)
            except ValueError as error:
                sorry = str(error)
        elif entry := re.fullmatch(r"(\w+) ?\[([-\d, ]*)\]", answer):
            sorry = touched(touch, entry[1], re.findall(r"-?\d+", entry[2]))
        else:
            sorry = CANNOT.get(answer, HELP)
    returned = record.frames[0].returned
    if returned is not None:
        print("\n".join(values_lines({"returned": returned}, colour)))


def touched(touch, name, index):
    """Return what touching an entry says, or why there is nothing to touch."""
    if not touch:
        return "Entries are touched on the way back, where dy is known: steps.backward(dy).show()"
    try:
        return str(touch(name, tuple(map(int, index))))
    except (TypeError, ValueError) as error:
        return str(error)


def to_turn(record, step, number, again):
    """Return the first step of a turn of the loop around a step, and the record that has it."""
    loop = navigation.loop_of(record, step)
    if loop is None:
        raise ValueError(f"There is no turn {number}: this line is in no loop.")
    if not navigation.has_turn(record.loops[loop], number):
        raise ValueError(f"There is no turn {number}: this loop has {record.loops[loop].total}.")
    turns, calls = (
        navigation.turns_around(record, step, loop, number),
        navigation.calls_to(record, step.frame),
    )
    found = navigation.first_in(record, turns, calls)
    if found is None:
        print("running once more …")
        record = again(dict(turns))
        found = navigation.first_in(record, turns, calls)
    if found is None:
        raise ValueError(f"Turn {number:,} {navigation.unreached(record)}.")
    return record, found


CANNOT = {
    "b": "This is the first step.",
    "o": "No call can be opened in this line.",
    "u": "No call is open, so there is nothing to leave.",
}


def ask(pause, prompt):
    """Return the answer; the end of the input is a q, and so is Ctrl-C.

    Where another `pause` is given, as in the lessons, it sees to Ctrl-C itself.
    """
    try:
        answer = (pause(prompt) or "").strip()
        return answer if "[" in answer else answer.lower()  # the names of variables stay
    except (EOFError, KeyboardInterrupt) as stop:
        if pause is not input and isinstance(stop, KeyboardInterrupt):
            raise
        print()
        return "q"
