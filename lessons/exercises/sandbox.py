"""Run a learner's code apart from ours: in a child process, with limits on time and memory.

    START    seconds in which the child must be up: Python and NumPy are loading
    SECONDS  how long the learner's code may take for its import, and for each call
    MEMORY   how many bytes it may have beyond what Python and NumPy take (on Linux)
    PRINTED  how much of what it prints is kept

See sandbox_child.py for what the two say to each other.
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
    """Call the learner's function with every call, and return the Outcome.

    Parameters
    ----------
    path : path
        The learner's file.
    name : str
        The function in it.
    calls : list of (args, options)
    given : list of str
        Modules that the file may import; they are loaded first, off the learner's clock.
    seconds : float
        The limit, for the import and for each call.

    Returns
    -------
    Outcome
        `answers`, as many as came back; `failure`, a sentence, if not all of them did; and
        `printed`, the beginning of what the code has printed.
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
    """Start the child in an empty folder; every library in it has one thread."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    environment = {
        **os.environ, **one_thread,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    # -P: no file beside sandbox_child.py is a module
    command = [sys.executable, "-P", sandbox_child.__file__]
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=os.name == "posix", **pipes
    )


def tell(process, data):
    """Send the request; a child that died meanwhile is noticed later."""
    try:
        process.stdin.write(data)
        process.stdin.close()
    except OSError:
        pass


def listen(process):
    """Return a queue of the child's messages, and a function that returns what was printed."""
    messages, kept = queue.Queue(), []

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
            pass  # whatever it was, it is no message of ours
        messages.put(None)  # nothing more will come
        process.stdout.close()

    def read():
        left = PRINTED + 1
        while data := process.stderr.read1(65536):
            kept.append(data[: max(left, 0)])
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
        text = b"".join(kept).decode("utf-8", "replace")
        return text[:PRINTED] + ("…" if len(text) > PRINTED else "")

    return messages, printed


def collect(process, messages, count, seconds):
    """Return the answers, and None or a sentence that says why there are fewer than `count`."""
    answers = []
    try:
        if messages.get(timeout=START) != "ready":
            return answers, "Python did not start; is there enough memory?"
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
    """Say how a process ended."""
    try:
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "or no longer answers."
    if code < 0:
        return f"by {signal.Signals(-code).name}: a crash, or more memory than there is."
    return f"with exit code {code}: does the file call exit?"


def raised(error, before=""):
    """Say what was raised, and in which line."""
    where = f"line {error['line']}, `{error['code']}`: " if error["line"] else ""
    message = f": {error['message']}" if error["message"] else ""
    return f"{before}{where}{error['type']}{message}"


def end(process):
    """End the child, and what it may have started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError:
        pass  # it has ended by itself
    process.wait()
