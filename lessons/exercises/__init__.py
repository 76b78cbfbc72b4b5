"""Exercises that check themselves: write a layer of AlexNet, and have it looked at by a tutor.

    python -m lessons exercise                    the list
    python -m lessons exercise relu_backward      writes runs/exercises/relu_backward.py
    python -m lessons check relu_backward         says how it is

    catalogue.py      the exercises in order, and the file that a learner starts with
    cases.py          what the function is called with
    submission.py     the learner's file, before it is run
    sandbox.py        the learner's code in a process of its own, with limits; sandbox_child.py runs
                      there
    judge.py          is it right?
    checks.py         what is wrong with one answer; dropout_checks.py, where chance has its part
    differences.py    where two arrays differ, and what that looks like
    diagnosis.py      what it may come from
    mistakes.py       what is often wrong, as edits of the library's own source; hints/ has them
    side_by_side.py   small arrays side by side
    tutor.py          what the learner reads, and the report for a class

Right is what minicnn.reference computes; nothing here computes a layer a second time.
"""

import argparse
import math


def add_commands(commands):
    """Add `exercise` and `check` to the parser's commands."""
    one = commands.add_parser(
        "exercise",
        help="write the file of an exercise; without a name, list them all",
        description="Write a file with the signature and the docstring of a function of minicnn "
        "and an empty body, for you to fill.  Without NAME, list all exercises.",
    )
    one.add_argument("name", nargs="?", metavar="NAME", help="the function to write")
    one.add_argument(
        "--out", metavar="FILE", help="the file to write (default: runs/exercises/NAME.py)"
    )
    one.add_argument("--force", action="store_true", help="overwrite a file that is there already")
    one.set_defaults(run=run_exercise)

    one = commands.add_parser(
        "check",
        help="have an exercise looked at",
        description="Run what you have written, in a process of its own, and say whether it is "
        "right; if not, where it is wrong and what may be the cause.  Exit code 0 if all is right.",
    )
    one.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a file, a folder of files, or the name of an exercise (default: runs/exercises)",
    )
    one.add_argument("--more", action="store_true", help="say more than the hint")
    one.add_argument("--report", metavar="JSON", help="write the results of a class to this file")
    one.add_argument(
        "--seconds",
        type=seconds,
        default=10,
        metavar="S",
        help="how long a call may take (default: 10)",
    )
    one.set_defaults(run=run_check)


def seconds(text):
    """Return a number of seconds above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def run_exercise(options):
    """Write one exercise, or list them all."""
    from ..viewer import progress
    from . import catalogue

    if options.name:
        path = catalogue.write(options.name, options.out, options.force)
        exercise = catalogue.find(options.name)
        print(f"{path} is yours.  {exercise.question}")
        print(f"When it is written: python -m lessons check {path}")
        return 0
    passed = progress.all_done().get("exercise", [])
    for exercise in catalogue.EXERCISES:
        mark = "  (passed once)" if exercise.name in passed else ""
        print(f"  {exercise.name:23}{exercise.question}  (lesson {exercise.lesson}){mark}")
    todo = [one.name for one in catalogue.EXERCISES if one.name not in passed]
    print(f"\nNext: python -m lessons exercise {todo[0]}" if todo else "\nAll of them are done.")
    return 0


def run_check(options):
    """Check files."""
    from . import tutor

    return tutor.main(options.files, options.report, options.more, options.seconds)
