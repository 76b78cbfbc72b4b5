"""Run a learner's code in a child process, with limits on time and memory.

    START    the time limit in seconds for starting Python and NumPy
    SECONDS  the time limit for the learner's import, and for each call
    CALLS    all calls together may take the time of so many
    ENOUGH   the seconds of calls after which a wrong answer is not asked for more
    MEMORY   the most bytes that it may use beyond Python and NumPy (on Linux)
    PRINTED  the most characters of its printed output to keep

sandbox_child.py describes the messages between the two processes.  Whatever comes back is read as
if a stranger had sent it, because the learner's code can write anything to any open file.
"""

import contextlib
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple

import numpy as np

from . import sandbox_child

START, SECONDS, CALLS, ENOUGH, MEMORY, PRINTED = 120, 10, 6, 0.4, 2**30, 2000

FORGED = "no message"

Outcome = namedtuple("Outcome", "answers failure printed")
ROOT = pathlib.Path(__file__).parents[2]


def run(path, name, calls, given=(), seconds=SECONDS, solution="", is_wrong=None):
    """Run all calls of the learner's function and return the Outcome.

    Parameters
    ----------
    path : path
        The learner's file.
    name : str
        The function in it.
    calls : list of (args, options)
    given : list of str
        Modules that the file may import; they are loaded first and do not count towards the limit.
    seconds : float
        The time limit for the import and for each call.
    solution : str
        The text of the library's own function, which the learner's code must not run.
    is_wrong : function
        It gets the answers so far; where it returns True after ENOUGH seconds, no more are
        awaited.

    Returns
    -------
    Outcome
        `answers`: those that came back; `failure`: a sentence if some failed to, else None;
        `printed`: the beginning of the code's printed output.
    """
    request = {"path": os.path.abspath(path), "name": name, "calls": calls}
    request |= {"given": list(given), "memory": MEMORY, "solution": solution}
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    process = start(folder.name, name)
    try:
        messages, printed = listen(process)
        tell(process, sandbox_child.pack(request))
        answers, failure = collect(process, messages, calls, seconds, is_wrong)
    finally:
        end(process)
        with contextlib.suppress(RecursionError):  # a thousand folders, one inside the other
            folder.cleanup()
    return Outcome(answers, failure, printed())


def start(folder, name=""):
    """Start the child in an empty folder, with one thread for each library."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    environment = {
        **os.environ, **one_thread,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    if name in ("im2col", "col2im"):  # as Python, the library's can refuse: see sandbox_child.py
        environment["NUMBA_DISABLE_JIT"] = "1"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    # -P: files beside sandbox_child.py cannot be imported
    command = [sys.executable, "-P", sandbox_child.__file__]
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=os.name == "posix", **pipes
    )


def tell(process, data):
    """Send the request; if the child has died, `collect` will notice."""
    try:
        process.stdin.write(data)
        process.stdin.close()
    except OSError:
        pass


def listen(process):
    """Return a queue of the child's messages, and a function that returns its printed output.

    The last message is None; before it comes FORGED if there are bytes that are no message.
    """
    messages, chunks = queue.Queue(), []

    def hear():
        try:
            while head := process.stdout.read(sandbox_child.HEAD.size):
                (length,) = sandbox_child.HEAD.unpack(head)
                if length > sandbox_child.MESSAGE:
                    raise ValueError("too long")
                messages.put(sandbox_child.unpack(process.stdout.read(length)))
        except Exception:
            messages.put(FORGED)
        messages.put(None)
        process.stdout.close()

    def read():
        left = PRINTED + 1
        while data := process.stderr.read1(65536):
            chunks.append(data[: max(left, 0)])
            left -= len(data)
        process.stderr.close()

    threads = [
        threading.Thread(target=hear, daemon=True),
        threading.Thread(target=read, daemon=True),
    ]
    for thread in threads:
        thread.start()

    def printed():
        threads[1].join(timeout=1)
        text = b"".join(chunks).decode("utf-8", "replace")
        return text[:PRINTED] + ("…" if len(text) > PRINTED else "")

    return messages, printed


def collect(process, messages, calls, seconds, is_wrong=None):
    """Return the answers, and a sentence if one failed to come, else None."""
    answers, count = [], len(calls)
    try:
        if messages.get(timeout=START) != "ready":
            return answers, "Python did not start: is there enough memory?"
        during = "while the file was loaded"
        message = messages.get(timeout=seconds)
        first = time.monotonic()
        last = first + CALLS * seconds
        if isinstance(message, dict) and is_error(message.get("raised")):
            return answers, raised(message["raised"], "The file cannot be loaded: ")
        is_known = isinstance(message, str) and message == "loaded"
        while is_known and len(answers) < count:
            during = f"in call {len(answers) + 1} of {count}"
            message = messages.get(timeout=min(seconds, max(0, last - time.monotonic())))
            is_known = is_answer(message, calls[len(answers)][0])
            answers += [message] if is_known else []
            if is_wrong and time.monotonic() > first + ENOUGH and is_wrong(answers):
                return answers, None
        if is_known:
            return answers, None
        if message is not None:
            return answers, (
                f"What came back {during} is no answer: does the file write to files that it has "
                "not opened?"
            )
    except queue.Empty:
        if answers and time.monotonic() > last:
            return answers, f"All calls together took more than {CALLS * seconds:g} seconds."
        return answers, (
            f"No answer after {seconds:g} seconds, {during}: is there a loop that never ends?  "
            "(--seconds allows more.)"
        )
    return answers, f"The process ended {during}, {farewell(process)}"


def is_answer(message, args):
    """Return whether a message has the form of an answer to a call with these arguments."""
    return (
        isinstance(message, dict)
        and message.keys() == {"returned", "raised", "changed"}
        and (message["raised"] is None or is_error(message["raised"]))
        and isinstance(message["changed"], list)
        and all(is_place(place, args) for place in message["changed"])
    )


def is_error(fields):
    """Return whether a value has the form of an exception, see sandbox_child.error_fields."""
    kinds = {"type": str, "message": str, "line": int | None, "code": str}
    return (
        isinstance(fields, dict)
        and fields.keys() == kinds.keys()
        and all(isinstance(fields[name], kind) for name, kind in kinds.items())
    )


def is_place(place, args):
    """Return whether this place, of sandbox_child.changed, is that of an array in the arguments."""
    for k in place if isinstance(place, tuple) else [None]:
        if not (isinstance(args, tuple) and isinstance(k, int) and 0 <= k < len(args)):
            return False
        args = args[k]
    return isinstance(args, np.ndarray)


def farewell(process):
    """Return how a process ended, as the end of a sentence."""
    try:
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "or it no longer answers."
    number = -code if code < 0 else code - 128  # see sandbox_child.guard
    if 0 < number <= 64:
        name = {one.value: one.name for one in signal.Signals}.get(number, f"signal {number}")
        return f"by {name}: it crashed, ran out of memory, or was told to end."
    return f"with exit code {code}: does the file call exit, or change other modules?"


def raised(error, before=""):
    """Return an exception as text, with its line."""
    where = f"line {error['line']}, `{one_line(error['code'])}`: " if error["line"] else ""
    message = f": {one_line(error['message'], 200)}" if error["message"] else ""
    return f"{before}{where}{one_line(error['type'])}{message}"


def one_line(text, most=100):
    """Return a text on one line, and cut off where it has more characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]} …"


def end(process):
    """End the child and any process that it has started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError:
        pass  # it has ended already
    process.wait()
