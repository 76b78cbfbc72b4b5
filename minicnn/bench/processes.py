"""Contestants as processes: they are started, asked and ended; worker.py is their other end."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

from ..machine import THREADS

ROOT = pathlib.Path(__file__).parents[2]  # where minicnn is


class WorkerError(ValueError):
    """A contestant could not do what it was asked; the message says which one, and why."""


@contextlib.contextmanager
def workers(settings, names, **environment):
    """Give a running process for each contestant, by name; at the end, end them.

    Parameters
    ----------
    settings : dict
        Those of the results, see measure.py.
    names : collection of str
        The contestants.
    **environment : str
        What their environment has besides ours.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {f"{name}_THREADS": str(settings["threads"]) for name in THREADS}
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    words = "tf32" if settings["tf32"] else "", ",".join(map(str, settings["gpus"] or []))
    conditions, running = [settings["network"], str(settings["batch"]), *words], {}
    with contextlib.ExitStack() as stack:
        for name in names:
            running[name] = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", name, *conditions],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env=os.environ | environment,
                start_new_session=True,  # Ctrl-C is for us; they end when their input does
            )
            stack.callback(ended, running[name])
        yield running


def ended(worker):
    """End a worker, whatever state it is in."""
    worker.kill()
    worker.wait()
    worker.stdout.close()
    with contextlib.suppress(OSError):  # a request that it never read
        worker.stdin.close()


def ask(running, name, **request):
    """Send a request to the worker of this name; return its reply, a dict.

    Raises WorkerError if it answers that it failed, or does not answer.
    """
    worker = running[name]
    try:
        print(json.dumps(request), file=worker.stdin, flush=True)
        reply = worker.stdout.readline()
    except OSError:
        reply = ""
    if not reply:
        raise WorkerError(f"{name}: its process ended with exit code {worker.wait()}")
    reply = json.loads(reply)
    if "error" in reply:
        raise WorkerError(f"{name}: {reply['error']}")
    return reply


@contextlib.contextmanager
def noted(results, name, where):
    """Go on if a rival fails, with a note; if our own contestant does, say where, and stop."""
    try:
        yield
    except WorkerError as error:
        if name == results["settings"]["ops"]:
            raise WorkerError(f"{error} ({where})") from None
        if not any(note.startswith(str(error)) for note in results["notes"]):
            results["notes"].append(f"{error} ({where})")
