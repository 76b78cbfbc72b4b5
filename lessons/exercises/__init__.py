"""Exercises that check themselves: write a layer of AlexNet, and a tutor looks at it.

    python -m lessons exercise                    lists the exercises
    python -m lessons exercise relu_backward      writes runs/exercises/relu_backward.py
    python -m lessons check relu_backward         checks it
    python -m lessons check FOLDER                checks a class

    catalogue.py      the exercises in order, and the file that a learner starts with
    cases.py          the arguments that a learner's function is called with
    submission.py     the learner's file, read without running it
    notebook.py       the functions of a notebook as such a file
    handins.py        who has handed in what: files, folders and zips
    gpu_kernels.py    CUDA kernels to mend, judged by the emulator; gpu_child.py runs them
    sandbox.py        run the learner's code in a child process with limits; sandbox_child.py is
                      that process
    judge.py          the verdict on a learner's function
    checks.py         the first fault of one answer; dropout_checks.py does this for random masks
    differences.py    how two arrays differ, and known patterns of difference
    experiments.py    small inputs in which one thing changes at a time, and what makes it wrong
    diagnosis.py      the likely cause of a wrong answer
    mistakes.py       common mistakes, as edits of right solutions; hints/ holds them
    mutations.py      all small edits of a right solution, tried one after the other
    loops.py          a second solution for each exercise, in loops, to be edited like the first
    facts.py          what the learner's code shows by itself; flow.py reads what depends on what
    meanings.py       what an exception means here
    side_by_side.py   small arrays side by side, as text
    tutor.py          the texts that a learner reads
    classroom.py      the command `check`, for one learner or a class
    report.py         what a teacher gets: tables, a page, files for class systems

The right answer is what minicnn.reference computes; a test compares loops.py with it.
"""

import argparse
import math


def add_commands(commands):
    """Add `exercise` and `check` to the parser's commands."""
    command = commands.add_parser(
        "exercise",
        help="write the file of an exercise; without a name, list them all",
        description="Write a file with the signature and the docstring of a function of minicnn "
        "and an empty body, for you to fill.  Without NAME, list all exercises.",
    )
    command.add_argument("name", nargs="?", metavar="NAME", help="the function to write")
    command.add_argument(
        "--out", metavar="FILE", help="the file to write (default: runs/exercises/NAME.py)"
    )
    command.add_argument(
        "--without-formula", action="store_true", help="leave out formulas that give it away"
    )
    command.add_argument("--force", action="store_true", help="overwrite an existing file")
    command.set_defaults(run=run_exercise)

    command = commands.add_parser(
        "check",
        help="check an exercise, or the exercises of a class",
        description="Run your code in a process of its own and say whether it is right; if not, "
        "where it is wrong and what the cause may be.  For a class, give the folder or the zip "
        "that Moodle or Canvas offers: a folder, zip or file a student.  The exit code is 0 if "
        "everything is right.",
    )
    command.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a .py file, a notebook, a folder or zip of them, or the name of an exercise "
        "(default: runs/exercises)",
    )
    command.add_argument("--more", action="store_true", help="say more than the hint")
    command.add_argument("--report", metavar="JSON", help="write all results to this file")
    command.add_argument(
        "--as",
        dest="form",
        choices=("classroom50", "gradescope"),
        help="write the report in the format of a class system; the exit code is then 0",
    )
    command.add_argument(
        "--exercises",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="NAME,NAME",
        help="report these alone, also if they were not handed in (default: what is there)",
    )
    command.add_argument("--student", metavar="NAME", help="all files are of this student")
    command.add_argument(
        "--out", metavar="DIR", help="folder for a class's table and page (default: runs/class)"
    )
    command.add_argument(
        "--seconds",
        type=seconds,
        default=10,
        metavar="S",
        help="how long a call may take (default: 10)",
    )
    command.set_defaults(run=run_check)


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
        path = catalogue.write(
            options.name, options.out, options.force, not options.without_formula
        )
        exercise = catalogue.find(options.name)
        print(f"{path} is ready for you.  {exercise.question}")
        print(f"When you have written it: python -m lessons check {path}")
        return 0
    passed = progress.all_done().get("exercise", [])
    for exercise in catalogue.BY_NAME.values():
        mark = "  (passed once)" if exercise.name in passed else ""
        print(f"  {exercise.name:23}{exercise.question}  (lesson {exercise.lesson}){mark}")
    todo = [name for name in catalogue.BY_NAME if name not in passed]
    print(f"\nNext: python -m lessons exercise {todo[0]}" if todo else "\nAll of them are done.")
    return 0


def names_of_lesson(number):
    """Return the names of the exercises that belong to a lesson."""
    from . import catalogue

    return [exercise.name for exercise in catalogue.BY_NAME.values() if exercise.lesson == number]


def run_check(options):
    """Check files."""
    from . import classroom

    return classroom.main(options)
