"""The doors to the lessons: python -m lessons [NUMBER | COMMAND].

Exit codes are those of minicnn: see minicnn/commands/exit_codes.py.
"""

import argparse
import sys
import time
import traceback

from minicnn.commands.exit_codes import exit_code
from minicnn.commands.options import add_out, whole

from . import exercises
from .viewer import cells, progress, terminal


class InputEnded(Exception):
    """There is nobody who could press Enter: Ctrl-D, or the end of a file."""


def main(arguments=None):
    """Run one command; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    first = next((text for text in arguments if not text.startswith("-")), "")
    if first.isdecimal():  # python -m lessons 3, with --no-pause before or behind
        arguments.insert(0, "walk")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ∂ shows ? in its place
    options = parser().parse_args(arguments)
    return exit_code("lessons", lambda: options.run(options))


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

    one = commands.add_parser("notebook", help="write lesson N, or all of them, as notebooks")
    one.add_argument("number", type=whole, nargs="?", metavar="N", help="one lesson only")
    one.add_argument(
        "--from",
        dest="address",
        metavar="URL",
        help="the repository from which Colab, say, can install minicnn "
        "(default: the one that this clone came from, if its address begins with https://)",
    )
    one.set_defaults(run=write_notebooks)

    one = commands.add_parser("site", help="run all lessons and write them as web pages")
    one.add_argument("numbers", type=whole, nargs="*", metavar="N", help="these lessons only")
    add_out(one, str(cells.OUT / "site"))
    one.set_defaults(run=build_site)

    one = commands.add_parser("serve", help="show that site in a browser on this machine")
    one.add_argument("--port", type=port, default=8000, help="default: 8000; 0 for any free one")
    one.add_argument("--site", default=str(cells.OUT / "site"), metavar="DIR", help="its folder")
    one.set_defaults(run=serve)

    for one in commands.choices.values():
        one.allow_abbrev = False  # who mistypes an option shall hear of it
    return top


def port(text):
    """Return the number of a port, or 0."""
    number = whole(text, least=0)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: they end at 65535")
    return number


def show_list(options):
    """Print the lessons, with the question of each, and what is done."""
    known = progress.all_done()
    walked, passed = known.get("lesson", []), known.get("exercise", [])
    for path in cells.lessons():
        title, question = cells.title(path)
        mark = terminal.painted("  (done)", terminal.CYAN) if path.stem in walked else ""
        print(f"{int(path.name[:2]):4}  {terminal.painted(title, terminal.BOLD)}{mark}")
        print(terminal.filled(question, " " * 6, " " * 6))
    if passed:
        print(f"\nExercises passed: {', '.join(passed)}")
    print("\npython -m lessons 1 walks through the first one; python -m lessons --help has more.")


def walk(options):
    """Walk through one lesson."""
    path = cells.find(options.number)
    try:
        namespace = cells.run(path, pause=None if options.no_pause else ask)
    except BrokenPipeError:
        raise
    except InputEnded:
        print("\nThe input has ended; --no-pause runs a lesson all at once.")
        namespace = None
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


def write_notebooks(options):
    """Write one lesson, or all, as notebooks."""
    from .viewer import notebooks

    paths = [cells.find(options.number)] if options.number else cells.lessons()
    address = options.address or notebooks.origin()
    for path in notebooks.write(paths, address):
        print(path)
    if not address:
        print("They look for minicnn in the folders above them; with --from URL they could install")
        print("it from its repository, on Colab, say.")


def build_site(options):
    """Build the site."""
    from .viewer import pages

    began = time.perf_counter()
    first = pages.build(options.numbers, options.out, report=lambda text: print(text, flush=True))
    print(f"{first}  ({time.perf_counter() - began:.0f} s)")


def serve(options):
    """Show the site; build it first if there is none."""
    from .viewer import pages

    stale = pages.stale(options.site)
    if stale is None:
        print("There is no site yet: its lessons run now, which takes some minutes.", flush=True)
        pages.build(site=options.site, report=lambda text: print(text, flush=True))
    elif stale:
        print("Something has changed since it was built; python -m lessons site builds it again.")
    pages.serve(options.port, options.site)


def ask(prompt):
    """Return what the reader answers.

    Raises InputEnded where nobody can answer: in the stepper, too, that ends the whole lesson.
    """
    try:
        return input(terminal.painted(prompt, terminal.GREY))
    except EOFError:
        raise InputEnded from None


def show_error(error):
    """Print what went wrong in a cell: the traceback from the lesson's own line on."""
    steps = error.__traceback__
    while steps and steps.tb_frame.f_code.co_filename in (__file__, cells.__file__):
        steps = steps.tb_next
    traceback.print_exception(type(error), error, steps or error.__traceback__)


if __name__ == "__main__":
    sys.exit(main())
