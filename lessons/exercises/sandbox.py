"""Run a learner's code in a child process, with limits on time and memory.

    START    the time limit in seconds for starting Python and NumPy
    SECONDS  the time limit for the learner's import, and for each call
    MEMORY   the most bytes that it may use beyond Python and NumPy (on Linux)
    PRINTED  the most characters of its printed output to keep

sandbox_child.py describes the messages between the two processes.
"""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import namedtuple

from . import sandbox_child

START, SECONDS, MEMORY, PRINTED = 120, 10, 2**30, 2000

Outcome = namedtuple("Outcome", "answers failure printed")
ROOT = pathlib.Path(__file__).parents[2]


def run(path, name, calls, given=(), seconds=SECONDS):
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

    Returns
    -------
    Outcome
        `answers`: those that came back; `failure`: a sentence if some did not, else None;
        `printed`: the beginning of the code's printed output.
    """
    request = {"path": os.path.abspath(path), "name": name, "calls": calls}
    request |= {"given": list(given), "memory": MEMORY}
    with tempfile.TemporaryDirectory() as folder:
        process = start(folder)
        try:
            messages, printed = listen(process)
            tell(process, sandbox_child.pack(request))
            answers, failure = collect(process, messages, len(calls), seconds)
        finally:
            end(process)
        return Outcome(answers, failure, printed())


def start(folder):
    """Start the child in an empty folder, with one thread for each library."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    environment = {
        **os.environ, **one_thread,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
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
    """Return a queue of the child's messages, and a function that returns its printed output."""
    messages, chunks = queue.Queue(), []

    def hear():
        try:
            while (
                len(head := process.stdout.read(sandbox_child.HEAD.size)) == sandbox_child.HEAD.size
            ):
                (length,) = sandbox_child.HEAD.unpack(head)
                if length > 20 * sandbox_child.LARGEST:
                    break
                messages.put(sandbox_child.unpack(process.stdout.read(length)))
        except Exception:
            pass  # not one of our messages
        messages.put(None)  # nothing more will come
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


def collect(process, messages, count, seconds):
    """Return the answers, and a sentence if there are fewer than `count`, else None."""
    answers = []
    try:
        if messages.get(timeout=START) != "ready":
            return answers, "Python did not start: is there enough memory?"
        during = "while the file was loaded"
        message = messages.get(timeout=seconds)
        if isinstance(message, dict):
            return answers, raised(message["raised"], "The file cannot be loaded: ")
        while message is not None and len(answers) < count:
            during = f"in call {len(answers) + 1} of {count}"
            message = messages.get(timeout=seconds)
            if message is not None:
                answers.append(message)
        if len(answers) == count:
            return answers, None
    except queue.Empty:
        return answers, (
            f"No answer after {seconds:g} seconds, {during}: is there a loop that never ends?  "
            "(--seconds allows more.)"
        )
    return answers, f"The process ended {during}, {farewell(process)}"


def farewell(process):
    """Return how a process ended, as the end of a sentence."""
    try:
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "or it no longer answers."
    if code < 0:
        return f"by {signal.Signals(-code).name}: it crashed or ran out of memory."
    return f"with exit code {code}: does the file call exit?"


def raised(error, before=""):
    """Return an exception as text, with its line."""
    where = f"line {error['line']}, `{error['code']}`: " if error["line"] else ""
    message = f": {error['message']}" if error["message"] else ""
    return f"{before}{where}{error['type']}{message}"


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
