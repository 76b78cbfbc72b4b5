"""Start, query and stop the worker processes; worker.py is the code that they run."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

from ..machine import THREADS

ROOT = pathlib.Path(__file__).parents[2]  # where minicnn is


class WorkerError(ValueError):
    """A contestant failed at a request; the message says which one, and why."""


@contextlib.contextmanager
def workers(settings, names, **environment):
    """Yield a running process for each contestant, by name; stop them all at the end.

    Parameters
    ----------
    settings : dict
        The settings in the results, see measure.py.
    names : collection of str
        The contestants.
    **environment : str
        Additional environment variables.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {f"{name}_THREADS": str(settings["threads"]) for name in THREADS}
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    options = "tf32" if settings["tf32"] else "", ",".join(map(str, settings["gpus"] or []))
    conditions, running = [settings["network"], str(settings["batch"]), *options], {}
    with contextlib.ExitStack() as stack:
        for name in names:
            running[name] = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", name, *conditions],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env=os.environ | environment,
                start_new_session=True,  # so that Ctrl-C reaches only this process
            )
            stack.callback(stop, running[name])
        yield running


def stop(worker):
    """Stop a worker, whatever state it is in."""
    worker.kill()
    worker.wait()
    worker.stdout.close()
    with contextlib.suppress(OSError):  # a request that it never read
        worker.stdin.close()


def ask(running, name, **request):
    """Send a request to the worker of this name; return its reply, a dict.

    Raises WorkerError if the worker reports a failure, or does not reply.
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
def noting_failure(results, name, place):
    """Add a note to the results if a rival fails; raise WorkerError if our own contestant fails."""
    try:
        yield
    except WorkerError as error:
        if name == results["settings"]["ops"]:
            raise WorkerError(f"{error} ({place})") from None
        if not any(note.startswith(str(error)) for note in results["notes"]):
            results["notes"].append(f"{error} ({place})")
