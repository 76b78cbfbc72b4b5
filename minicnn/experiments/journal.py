"""A resumable experiment: a journal has one line of JSON for each run that is done.

    path     the journal's file: study.jsonl
    key      what tells one run from all others: {"variant": "paper", "seed": 0, "epochs": 10}
    line     a dict, the key and the result: {**key, "error": 0.31, "seconds": 95.2}

An experiment that was stopped or killed goes on when it is started again: run_once skips each run
that has a line, and the run that was under way goes on from its own checkpoint, if it trains with
train.train(folder=…, resume=True).
"""

from .. import storage
from ..errors import Interrupted


def run_once(path, key, run, title, command="the same command"):
    """Return the line with this key; if there is none, call run() and append its result.

    Parameters
    ----------
    path : path
    key : dict of name → plain value
    run : function
        Does the work, and returns the result: a dict.
    title, command : str
        What is under way, and what to call to go on with it; both for the message after Ctrl-C.

    Raises
    ------
    errors.Interrupted
        If the run was interrupted; then it has no line.
    ValueError
        If the journal is damaged.
    """
    lines = select(read(path), key)
    if lines:
        return lines[-1]
    try:
        result = run()
    except Interrupted:
        raise Interrupted(f"stopped in {title}; {command} goes on from there") from None
    line = {**key, **result}
    storage.write_lines(path, [*read(path), line])
    return line


def read(path):
    """Return the lines of a journal; none if there is no such file."""
    lines = storage.read_lines(path)
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict):
            raise ValueError(f"{path}, line {number}: expected a dict, as {{…}}; got {line!r}")
    return lines


def select(lines, key):
    """Return the lines that have these values; a value that an older line lacks counts as None."""
    return [line for line in lines if all(line.get(name) == key[name] for name in key)]
