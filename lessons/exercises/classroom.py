"""Check everything that one learner or a class has handed in: the command `check`.

    python -m lessons check                            all files in runs/exercises
    python -m lessons check relu_backward              runs/exercises/relu_backward.py
    python -m lessons check FILE…                      files and notebooks
    python -m lessons check FOLDER                     a class: a folder, zip or file a student
    python -m lessons check FOLDER --student NAME      a folder of one student

One learner reads the tutor's answers.  A class gets a line for each exercise, and a table and a
page in --out.  What belongs to whom is in handins.py, and what a teacher gets in report.py.

The exit code is 0 if all exercises in all files are right, else 1; with --as it is 0 if the file
for the class system was written.
"""

import os
import pathlib
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor

from minicnn.storage import check_output, make_folder, write_text

from ..viewer import progress
from . import notebook, report, tutor
from .catalogue import BY_NAME, FOLDER, find
from .handins import HandIn, hand_ins, is_of_one, is_zip, owners_of
from .sandbox import one_line
from .submission import hint

OUT = pathlib.Path("runs") / "class"


def main(options):
    """Check files, print the tutor's answers, write what was asked for; return the exit code.

    Parameters
    ----------
    options : namespace
        files, more, seconds, report, form, exercises, student and out; see `check --help`.

    Raises
    ------
    ValueError, OSError
        If there is no such file, none in a folder, or a report cannot be written.
    """
    wanted = [find(name).name for name in options.exercises or []]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        given = gather(options, pathlib.Path(scratch))
        owners = list(dict.fromkeys(hand_in.owner for hand_in in given))
        is_class = len(owners) > 1 or options.out is not None
        targets = planned(options, owners, is_class, wanted)
        inputs = [hand_in.path for hand_in in given if hand_in.path]
        for path, (kind, _) in targets.items():
            demand_writable(path, kind, [*inputs, *options.files])
        found = [[stopped(hand_in)] for hand_in in given]
        try:
            for number, results in enumerate(checked(given, options.seconds, is_class)):
                found[number] = [r for r in results if not wanted or r.name in (None, *wanted)]
                for result in found[number]:
                    tell(result, given[number].owner, is_class, options)
            for number in lacking(given, found):
                fault = f"None of these is in this file: {', '.join(wanted)}."
                found[number] = [unreadable(given[number], fault)]
                tell(*found[number], given[number].owner, is_class, options)
        finally:  # also after Ctrl-C, or where no one reads the output any more
            pairs = zip(given, found, strict=True)
            results = [(hand_in.owner, result) for hand_in, rs in pairs for result in rs]
            for path, (kind, text_of) in targets.items():
                write_text(path, text_of(results), kind)
            conclude(results, wanted, is_class, targets)
    return 0 if options.form or all(result.passed for _, result in results) else 1


def lacking(given, found):
    """Return the indices of the HandIns of those for whom nothing was found."""
    owners = {hand_in.owner for hand_in, results in zip(given, found, strict=True) if results}
    return [number for number, hand_in in enumerate(given) if hand_in.owner not in owners]


def conclude(results, wanted, is_class, targets):
    """Print the commonest mistakes of a class, and which files were written."""
    if is_class:
        for name, mistake, who, _ in report.mistakes(results, wanted)[:5]:
            print(f"{len(who)} × {name}: {mistake}")
    if targets:
        right = sum(result.passed for _, result in results)
        names = f"{', '.join(map(str, targets))} {'have' if len(targets) > 1 else 'has'}"
        print(f"{right} of {len(results)} are right; {names} the report.")


def gather(options, scratch):
    """Return the HandIns of all paths; of runs/exercises if there are none.

    One folder or zip may be a class's; each of several is one student's.
    """
    given = []
    paths = [existing(pathlib.Path(path)) for path in options.files or [FOLDER]]
    for number, (path, owner) in enumerate(zip(paths, owners_of(paths), strict=True)):
        if options.student is not None:
            owner = options.student
        elif path == FOLDER or not (path.is_dir() or is_zip(path)):
            owner = ""  # the learner's own
        elif len(paths) == 1 and not is_of_one(path):
            owner = None
        found = hand_ins(path, scratch / str(number), owner, of_one=options.form is not None)
        if not found and options.form:
            found = [HandIn(owner or "", str(path), None, "Nothing was handed in.")]
        if not found:
            raise ValueError(f"{path}: there is no .py, .ipynb or .zip file in this folder")
        given += found
    return given


def existing(path):
    """Return a path, or the file in runs/exercises if the path is its name or an exercise's.

    Raises FileNotFoundError if there is neither.
    """
    default = FOLDER / f"{path.stem}.py"  # for both NAME and NAME.py
    if not path.exists() and str(path) in (path.stem, default.name):
        path = default if default.exists() or path.stem in BY_NAME else path
    if not path.exists():
        raise FileNotFoundError(2, f"there is no such file; {hint(path.stem)}", str(path))
    return path


def checked(given, seconds, is_class):
    """Yield the Results of each HandIn, in order; those of a class, several at a time."""
    if not is_class:
        yield from (results_of(hand_in, seconds) for hand_in in given)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(results_of, hand_in, seconds) for hand_in in given]
        try:
            yield from (future.result() for future in futures)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def results_of(hand_in, seconds):
    """Return the Results of one HandIn."""
    if hand_in.fault:
        return [unreadable(hand_in, hand_in.fault)]
    if hand_in.path.suffix.lower() != ".ipynb":
        results = tutor.results(hand_in.path, seconds)
        return [result._replace(file=hand_in.file) for result in results]
    try:
        text, places = notebook.script(hand_in.path)
    except ValueError as error:
        return [unreadable(hand_in, str(error))]
    except OSError as error:
        return [unreadable(hand_in, error.strerror or str(error))]
    except Exception as error:
        return [tutor.not_judged(hand_in.file, None, error)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = pathlib.Path(folder, "notebook.py")
        path.write_text(text, encoding="utf-8", errors="replace")
        results = tutor.results(path, seconds)
    return [notebook.located(r, places)._replace(file=hand_in.file) for r in results]


def unreadable(hand_in, fault):
    """Return the Result for a file that cannot be read."""
    return tutor.Result(hand_in.file, None, False, [], tutor.UNREADABLE, fault, None)


def stopped(hand_in):
    """Return the Result for a file that the tutor did not come to."""
    said = "The check was stopped before it was done with this file."
    return tutor.Result(hand_in.file, None, False, [], tutor.NOT_CHECKED, said, None)


def tell(result, owner, is_class, options):
    """Print a Result: the tutor's answer for one learner, and a line for one of a class."""
    if is_class:
        what = result.name or result.file
        line = f"{report.shown(owner)}: {what}: {report.verdict(result)}"
        print(tutor.harmless(one_line(line, 1000)), flush=True)
        return
    print(tutor.harmless(tutor.result_text(result, options.more)), end="\n\n", flush=True)
    if result.passed and not (options.report or options.form or options.student):
        progress.done("exercise", result.name)  # this learner's own


def planned(options, owners, is_class, wanted):
    """Return what will be written: {path: (its Kind, a function from all results to its text)}."""
    out, more, targets = pathlib.Path(options.out or OUT), options.more, {}
    if is_class:
        targets[out / "class.csv"] = (report.TABLE, lambda rs: report.as_csv(rs, wanted))
        targets[out / "class.html"] = (report.PAGE, lambda rs: report.as_page(rs, wanted, more))
    if not options.form:
        if options.report:
            targets[pathlib.Path(options.report)] = (report.REPORT, report.as_json)
        return targets
    usual, kind, text_of = report.FORMS[options.form]

    def of_one(owner):
        return kind, lambda rs: text_of([pair for pair in rs if pair[0] == owner], wanted, more)

    if len(owners) == 1:
        targets[pathlib.Path(options.report or usual)] = of_one(owners[0])
        return targets
    if options.report:
        raise ValueError(
            f"--report {options.report}: {options.form} reads one file a student, and there are "
            f"{len(owners)}; leave it out, or say with --student whose all files are"
        )
    for number, owner in enumerate(owners):
        name = re.sub(r"[^\w .()-]", "_", report.shown(owner))[:80]
        path = out / options.form / f"{name}.json"
        path = path.with_stem(f"{name} {number}") if path in targets else path
        targets[path] = of_one(owner)
    return targets


def demand_writable(path, kind, inputs):
    """Raise an error now, before an hour of checking, if a report cannot be written."""
    if path.is_dir():
        raise IsADirectoryError(21, "is a folder; --report needs the name of a file", str(path))
    make_folder(path.parent)
    check_output(path, kind, inputs)
