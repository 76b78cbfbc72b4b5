"""The journal of a resumable experiment: one line of JSON for each finished run.

    path     the journal's file: study.jsonl
    key      identifies a run: {"variant": "paper", "seed": 0, "epochs": 10}
    line     a dict, the key and the result: {**key, "error": 0.31, "seconds": 95.2}

An experiment that was stopped or killed resumes when it is started again: run_once skips each run
that has a line.  The unfinished run resumes from its own checkpoint, if it trains with
train.train(folder=…, resume=True).
"""

from .. import storage
from ..errors import Interrupted


def run_once(path, key, run, title, advice="run the same command again to resume"):
    """Return the line with this key; if there is none, call run() and append its result.

    Parameters
    ----------
    path : path
    key : dict of name → plain value
    run : function
        Does the work, and returns the result: a dict.
    title, advice : str
        The name of the run, and how to resume it; both for the message after Ctrl-C.

    Raises
    ------
    errors.Interrupted
        If the run was interrupted; then it gets no line.
    ValueError
        If the journal is damaged.
    """
    lines = select(read(path), key)
    if lines:
        return lines[-1]
    try:
        result = run()
    except Interrupted:
        raise Interrupted(f"stopped in {title}; {advice}") from None
    line = {**key, **result}
    storage.write_lines(path, [*read(path), line])
    return line


def read(path):
    """Return the lines of a journal; an empty list if there is no such file."""
    lines = storage.read_lines(path)
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict):
            raise ValueError(f"{path}, line {number}: expected a dict, as {{…}}; got {line!r}")
    return lines


def select(lines, key):
    """Return the lines with the values of this key; a value that a line lacks counts as None."""
    return [line for line in lines if all(line.get(name) == key[name] for name in key)]
