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


def wrong_dict(line):
    """Return why a value is no dict, in words, or ""."""
    return storage.wrong_fact(line, {})


def run_once(
    path, key, run, title, advice="run the same command again to resume", wrong=wrong_dict
):
    """Return the line with this key; if there is none, call run() and append its result.

    Parameters
    ----------
    path : path
    key : dict of name → plain value
    run : function
        Does the work, and returns the result: a dict.
    title, advice : str
        The name of the run, and how to resume it; both for the message after Ctrl-C.
    wrong : function
        wrong(line) returns why a value is no line of this journal, in words, or "".

    Raises
    ------
    errors.Interrupted
        If the run was interrupted; then it gets no line.
    """
    lines = select(read(path, wrong), key)
    if lines:
        return lines[-1]
    try:
        result = run()
    except Interrupted:
        raise Interrupted(f"stopped in {title}; {advice}") from None
    line = {**key, **result}
    storage.write_lines(path, [*read(path, wrong), line])
    return line


def read(path, wrong=wrong_dict):
    """Return the lines of a journal; an empty list if there is no such file.

    What is no line is moved to another file, and a sentence says so: see storage.read_lines.
    """
    return storage.read_lines(path, wrong)


def select(lines, key):
    """Return the lines with the values of this key; a value that a line lacks counts as None."""
    return [line for line in lines if all(line.get(name) == key[name] for name in key)]
