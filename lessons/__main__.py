"""The doors to the lessons: python -m lessons [NUMBER | COMMAND].

Exit codes are those of minicnn: 0 it is done; 1 it failed, and one sentence says why; 2 the command
was not understood; 130 it was stopped by Ctrl-C.
"""

import argparse
import sys
import traceback

from minicnn.__main__ import explained, in_words
from minicnn.options import whole

from . import cells, exercises, progress, terminal


def main(arguments=None):
    """Run one command; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0].isdecimal():
        arguments.insert(0, "walk")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ∂ shows ? in its place
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("\nlessons: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1
    except Exception as error:
        if not explained(error):
            raise
        print(f"lessons: {in_words(error)}", file=sys.stderr)
        return 1


def parser():
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m lessons",
        description="Lessons that step through the real code of minicnn.  "
        "Start with: python -m lessons 1",
        epilog="python -m lessons COMMAND --help shows the options of a command.",
    )
    top.set_defaults(run=show_list)
    commands = top.add_subparsers(metavar="NUMBER or COMMAND")
    one = commands.add_parser("walk", help="walk through lesson N; N alone does, too")
    one.add_argument("number", type=whole, metavar="N", help="the number of the lesson")
    one.add_argument("--no-pause", action="store_true", help="run all of it at once")
    one.set_defaults(run=walk)
    exercises.add_commands(commands)
    return top


def show_list(options):
    """Print the lessons, with the question of each, and what is done."""
    known = progress.all_done()
    walked, passed = known.get("lesson", []), known.get("exercise", [])
    for path in cells.lessons():
        heading, question = cells.title(path)
        number = int(path.name[:2])
        heading = heading.removeprefix(f"{number}.").removeprefix(f"Lesson {number}:").strip()
        mark = (
            terminal.painted("  (done)", terminal.CYAN)
            if path.stem in known.get("lesson", [])
            else ""
        )
        print(f"{number:4}  {terminal.painted(terminal.plain(heading), terminal.BOLD)}{mark}")
        if question:
            print(f"      {question}")
    if passed:
        print(f"\nExercises passed: {', '.join(passed)}")
    print("\npython -m lessons 1 walks through the first one; python -m lessons --help has more.")


def walk(options):
    """Walk through one lesson."""
    path = cells.find(options.number)
    try:
        namespace = cells.run(path, pause=None if options.no_pause else ask)
    except Exception as error:
        show_error(error)
        return 1
    if namespace is None:
        print(f"Until next time: python -m lessons {options.number}")
        return 0
    progress.done("lesson", path.stem)
    following = [one for one in cells.lessons() if one > path]
    more = f"  Next: python -m lessons {int(following[0].name[:2])}" if following else ""
    print(f"That was lesson {options.number}.{more}")
    return 0


def ask(prompt):
    """Return what the reader answers; where the input has ended, "q"."""
    try:
        return input(terminal.painted(prompt, terminal.GREY))
    except EOFError:
        print("\nThere is nobody to press Enter; --no-pause runs a lesson all at once.")
        return "q"


def show_error(error):
    """Print what went wrong in a cell: the traceback from the lesson's own line on."""
    steps = error.__traceback__
    while steps and steps.tb_frame.f_code.co_filename in (__file__, cells.__file__):
        steps = steps.tb_next
    traceback.print_exception(type(error), error, steps or error.__traceback__)


if __name__ == "__main__":
    sys.exit(main())
