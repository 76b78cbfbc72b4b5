"""An interactive walk in a terminal: print a step, ask for a command, carry it out.

A command that cannot be carried out gets a sentence, and the walk stays at its step.
"""

import re

from . import navigation
from .terminal import DIM, RED, has_colour, painter, step_lines, values_lines

HELP = (
    "Enter: next line   b: back   s: next, with checks and shapes   o: open the call\n"
    "u: leave the call   t 5: iteration 5   r: run on   q: quit"
)
TOUCH = "w[0, 1]: compare that entry's gradient with a finite difference"


def show(record, pause=input, pairs=None, forward=None, again=None, touch=None):
    """Print the steps and ask pause(prompt) after each; with None, print all without stopping.

    again(turns) runs the function again and returns its record, which has kept these iterations,
    {line of a loop: number}.  touch(name, index) returns a Touch; it is None in a forward pass.
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
    message, every = "", not pause
    while step:
        print(message or "\n".join(step_lines(record, step, pairs, colour, forward, bool(pause))))
        message = ""
        if not pause:
            step = navigation.next_step(record, step, picked, every)
            continue
        steps = navigation.visible_steps(record, step.frame, picked)
        steps = navigation.without_quiet(steps, step)
        position, parent = steps.index(step), record.frames[step.frame].parent
        calls = [i for i, frame in enumerate(record.frames) if frame.parent == step.number]
        hint = f" [o: open {record.frames[calls[0]].source.name}]" if calls else ""
        answer = ask(pause, f"{position + 1}/{len(steps)}{hint} ")
        if answer == "q":
            return
        if answer in ("", "r", "s"):
            pause = None if answer == "r" else pause
            step = navigation.next_step(record, step, picked, every=answer == "s")
        elif answer == "b" and position:
            step = steps[position - 1]
        elif answer == "o" and calls:
            step = navigation.visible_steps(record, calls[0], picked)[0]
        elif answer == "u" and parent is not None:
            step = record.steps[parent]
        elif number := re.fullmatch(r"t ?(\d+)", answer):
            try:
                record, step = go_to_turn(record, step, int(number[1]), again)
                picked = navigation.picks(record, step)
            except ValueError as error:
                message = str(error)
        elif entry := re.fullmatch(r"(\w+) ?\[([-\d, ]*)\]", answer):
            message = nudged(touch, entry[1], re.findall(r"-?\d+", entry[2]))
        else:
            message = CANNOT.get(answer, HELP)
    returned = record.frames[0].returned
    if returned is not None:
        print("\n".join(values_lines({"returned": returned}, colour)))


def nudged(touch, name, index):
    """Return the Touch of an entry as text, or a sentence that says why there is none."""
    if not touch:
        return "Only a backward pass, where dy is known, checks entries: steps.backward(dy).show()"
    try:
        return str(touch(name, tuple(map(int, index))))
    except (TypeError, ValueError) as error:
        return str(error)


def go_to_turn(record, step, number, again):
    """Return a record with this iteration of the loop around a step, and its first step."""
    loop = navigation.loop_of(record, step)
    if loop is None:
        raise ValueError(f"There is no iteration {number}: this line is not in a loop.")
    if not navigation.has_turn(record.loops[loop], number):
        total = record.loops[loop].total
        raise ValueError(f"There is no iteration {number}: this loop has {total}.")
    turns = navigation.turns_around(record, step, loop, number)
    calls = navigation.calls_to(record, step.frame)
    first = navigation.first_step_in(record, turns, calls)
    if first is None:
        print("running again …")
        record = again(dict(turns))
        first = navigation.first_step_in(record, turns, calls)
    if first is None:
        raise ValueError(f"Iteration {number:,} {navigation.why_unreached(record)}.")
    return record, first


CANNOT = {
    "b": "This is the first step.",
    "o": "This line has no call to open.",
    "u": "No call is open, so there is nothing to leave.",
}


def ask(pause, prompt):
    """Return the answer; the end of the input and Ctrl-C count as q.

    With another `pause` than input, as in the lessons, Ctrl-C is left to the caller.
    """
    try:
        answer = (pause(prompt) or "").strip()
        return answer if "[" in answer else answer.lower()  # names of variables keep their case
    except (EOFError, KeyboardInterrupt) as stop:
        if pause is not input and isinstance(stop, KeyboardInterrupt):
            raise
        print()
        return "q"
