"""The command line of the lessons: python -m lessons [NUMBER | COMMAND].

Exit codes are those of minicnn; see minicnn/commands/exit_codes.py.
"""

import argparse
import sys
import time
import traceback

try:
    from minicnn.commands.exit_codes import exit_code
    from minicnn.commands.options import add_out, whole, whole_or_zero
    from minicnn.console import Parser

    from . import exercises
    from .viewer import cells, progress, terminal
except KeyboardInterrupt:  # later exit_code handles it
    print("\nlessons: stopped", file=sys.stderr)
    sys.exit(130)


class InputEnded(Exception):
    """The input has ended, by Ctrl-D or at the end of a file, so no one can press Enter."""


def main(arguments=None):
    """Run one command; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    first = next((text for text in arguments if not text.startswith("-")), "")
    if first.isdecimal():  # python -m lessons 3, with --no-pause before or after it
        arguments.insert(0, "walk")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ∂ shows ? instead
    options = parser().parse_args(arguments)
    return exit_code("lessons", lambda: options.run(options))


def parser():
    """Return the parser of all commands."""
    top = Parser(
        prog="python -m lessons",
        description="Lessons that step through the real code of minicnn.  "
        "Start with: python -m lessons 0",
        epilog="python -m lessons COMMAND --help shows the options of a command.",
    )
    top.set_defaults(run=show_list)
    commands = top.add_subparsers(metavar="NUMBER or COMMAND")
    command = commands.add_parser("walk", help="walk through lesson N; the same as N alone")
    command.add_argument("number", type=whole_or_zero, metavar="N", help="the number of the lesson")
    command.add_argument("--no-pause", action="store_true", help="run without stopping")
    command.set_defaults(run=walk)
    exercises.add_commands(commands)

    command = commands.add_parser("notebook", help="write lesson N, or all of them, as notebooks")
    command.add_argument(
        "number", type=whole_or_zero, nargs="?", metavar="N", help="one lesson only"
    )
    command.add_argument(
        "--from",
        dest="address",
        metavar="URL",
        help="the repository from which Colab, for example, can install minicnn "
        "(default: this clone's origin, if its address begins with https://)",
    )
    add_answers(command)
    command.set_defaults(run=write_notebooks)

    command = commands.add_parser("site", help="run all lessons and write them as web pages")
    command.add_argument(
        "numbers", type=whole_or_zero, nargs="*", metavar="N", help="these lessons only"
    )
    add_out(command, str(cells.OUT / "site"))
    add_answers(command)
    command.set_defaults(run=build_site)

    command = commands.add_parser(
        "answers", help="for teachers: minutes, goals, tasks and answers of lesson N, or of all"
    )
    command.add_argument("numbers", type=whole, nargs="*", metavar="N", help="these lessons only")
    command.set_defaults(run=show_answers)

    command = commands.add_parser("serve", help="serve that site to a browser on this machine")
    command.add_argument("--port", type=port, default=8000, help="default: 8000; 0: any free port")
    folder = str(cells.OUT / "site")
    command.add_argument("--site", default=folder, metavar="DIR", help="the folder of the site")
    command.set_defaults(run=serve)
    return top


def add_answers(command):
    """Add --without-answers."""
    command.add_argument(
        "--without-answers",
        action="store_true",
        help="for students: leave out the answers to the tasks",
    )


def port(text):
    """Return a port number, or 0."""
    number = whole(text, least=0)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: the largest is 65535")
    return number


def show_list(options):
    """Print the lessons with their questions, and the learner's progress."""
    known = progress.all_done()
    walked, passed = known.get("lesson", []), known.get("exercise", [])
    for path in cells.lessons():
        title, question = cells.title(path)
        mark = terminal.painted("  (done)", terminal.CYAN) if path.stem in walked else ""
        minutes = cells.minutes(path)
        time_needed = f"  {minutes} minutes" if minutes else ""
        print(
            f"{int(path.name[:2]):4}  {terminal.painted(title, terminal.BOLD)}{time_needed}{mark}"
        )
        print(terminal.filled(question, " " * 6, " " * 6))
    if passed:
        print(f"\nExercises passed: {', '.join(passed)}")
    print("\npython -m lessons 0 walks through the first one; python -m lessons --help has more.")


def walk(options):
    """Walk through one lesson."""
    path = cells.find(options.number)
    try:
        namespace = cells.run(path, pause=None if options.no_pause else ask)
    except BrokenPipeError:
        raise
    except InputEnded:
        print("\nThe input has ended; --no-pause runs a lesson without stopping.")
        namespace = None
    except Exception as error:
        show_error(error)
        return 1
    if namespace is None:
        print(f"Until next time: python -m lessons {options.number}")
        return 0
    progress.done("lesson", path.stem)
    following = [later for later in cells.lessons() if later > path]
    more = f"  Next: python -m lessons {int(following[0].name[:2])}" if following else ""
    print(f"That was lesson {options.number}.{more}")
    return 0


def show_answers(options):
    """Print what a teacher needs of lessons, with the answers to their tasks."""
    paths = [cells.find(number) for number in options.numbers] or cells.lessons()
    for path in paths:
        print(terminal.markdown(cells.plan(path)))
        names = exercises.names_of_lesson(int(path.name[:2]))
        print(f"Exercises: {', '.join(names) or 'none'}\n")


def write_notebooks(options):
    """Write one lesson, or all, as notebooks."""
    from .viewer import notebooks

    number = options.number
    paths = cells.lessons() if number is None else [cells.find(number)]
    address = options.address or notebooks.origin()
    for path in notebooks.write(paths, address, answers=not options.without_answers):
        print(path)
    if not address:
        print("They look for minicnn in the folders above them; with --from URL they can also")
        print("install it from its repository, for example on Colab.")


def build_site(options):
    """Run the lessons and build the site."""
    from .viewer import pages

    began = time.perf_counter()
    first = pages.build(
        options.numbers,
        options.out,
        report=lambda text: print(text, flush=True),
        answers=not options.without_answers,
    )
    print(f"{first}  ({time.perf_counter() - began:.0f} s)")


def serve(options):
    """Serve the site; build it first if there is none."""
    from .viewer import pages

    stale = pages.stale(options.site)
    if stale is None:
        print("There is no site yet: the lessons run now, which takes a few minutes.", flush=True)
        pages.build(site=options.site, report=lambda text: print(text, flush=True))
    elif stale:
        print("The site is older than its sources; python -m lessons site builds it again.")
    pages.serve(options.port, options.site)


def ask(prompt):
    """Return the reader's answer.

    Raises InputEnded at the end of the input, which ends the whole lesson, also from the stepper.
    """
    try:
        return input(terminal.prompt(prompt))
    except EOFError:
        raise InputEnded from None


def show_error(error):
    """Print the error of a cell, with a traceback that starts at the lesson's own line."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename in (__file__, cells.__file__):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)


if __name__ == "__main__":
    sys.exit(main())
