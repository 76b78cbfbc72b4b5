"""Threads under fire: Ctrl-C at any moment, forks, and the end of Python.

Each test runs in a Python of its own, with a watchdog: a hang shows where every thread was.
"""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no such signals here")

SETUP = """
import faulthandler, os, random, signal, sys, threading, time
import numpy as np

faulthandler.dump_traceback_later({seconds}, exit=True)
from minicnn import fast, net
from minicnn.fast import buffers, threads
from minicnn.networks import catalogue as networks, cifar
from minicnn.training import train
from minicnn.two_columns import in_columns

threads.WORTH_WAKING, threads.WAKE_TIME = -1, 0  # however little there is to do
rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


x, w, b = draw(8, 16, 12, 11), draw(24, 16, 3, 3), draw(24)


def call():
    return fast.conv_forward(x, w, b, pad=1)[0]


expected = call()
"""


def python(code, threads=2, seconds=60, crashes=0, **more):
    """Return what a fresh Python with that many threads prints; fail if it hangs or fails.

    It may crash in C this many times, and is then run again.
    """
    command = [sys.executable, "-W", "ignore", "-c", SETUP.format(seconds=seconds) + code]
    environment = os.environ | {"MINICNN_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, env=environment | more, capture_output=True, text=True, timeout=seconds + 30
    )
    if crashes and done.returncode == -signal.SIGSEGV:
        return python(code, threads, seconds, crashes - 1, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


STORM = """
def training(network, ops, size, batch):
    layers = networks.build(network, ops, np.random.default_rng(0))
    rows = net.fused(layers, ops)
    images, labels = draw(batch, 3, size, size), np.arange(batch) % 10
    velocities = {{
        row.name: {{name: zeros(q) for name, q in row.params.items()}} for row in layers
    }}
    state = [a for row in layers for q in row.params.values() for a in each(q)]
    state += [a for of in velocities.values() for q in of.values() for a in each(q)]
    beginning = [a.copy() for a in state]

    def step():
        for a, before in zip(state, beginning):
            a[:] = before
        scores, caches = net.forward(rows, images)
        _, cache = ops.softmax_loss_forward(scores, labels)
        dx, grads = net.backward(rows, caches, *ops.softmax_loss_backward(cache))
        train.update(layers, ops, grads, velocities, 0.01)
        return [dx, *state]

    return step


def each(q):
    return q if isinstance(q, tuple) else (q,)


def zeros(q):
    return tuple(map(np.zeros_like, q)) if isinstance(q, tuple) else np.zeros_like(q)


def both_ways(name, *arguments, **options):
    def both():
        y, cache = getattr(fast, name + "_forward")(*arguments, **options)
        return y, *getattr(fast, name + "_backward")(dys[y.shape], cache)

    y, _ = getattr(fast, name + "_forward")(*arguments, **options)
    dys[y.shape] = draw(*y.shape)
    return both


def update():
    return fast.sgd_update(w.copy(), dw.copy(), dw, 0.01)


dys, dw = {{}}, draw(*w.shape)
works = [
    both_ways("conv", x, w, b, pad=1),
    both_ways("conv", x, w, b, stride=2, pad=1),
    both_ways("lrn", x),
    both_ways("pool", x),
    both_ways("relu", x),
    update,
    training("cifar-four-layer", fast, 32, 4),
    training("cifar-2gpu", in_columns(fast), 24, 4),
]


class Pressed(KeyboardInterrupt):
    pass


def press(*signal_and_frame):
    global presses
    if presses:  # else it comes too late
        presses -= 1
        raise Pressed


def disturbed(work, seconds, most):
    '''Return whether work() was interrupted: by up to `most` presses, the first after `seconds`.'''
    global presses
    try:
        try:
            presses = most
            signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 3 + 1e-5)
            work()
        finally:
            presses = 0
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Pressed:
        presses = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        return True
    return False


def copies(results):
    return [np.array(a) for a in results]


presses = 0
signal.signal(signal.SIGALRM, press)
chance = random.Random(1)
rights, times = [], []
for work in works:
    for _ in range(3):
        right = copies(work())
    start = time.perf_counter()
    work()
    times.append(time.perf_counter() - start)
    rights.append(right)

workers, made = len(sys._current_frames()), len(buffers.kept)
interrupts = 0
while interrupts < {interrupts}:
    number = chance.randrange(len(works))
    if disturbed(works[number], chance.uniform(2e-5, times[number]), chance.choice([1, 1, 1, 4])):
        interrupts += 1
        faulthandler.cancel_dump_traceback_later()
        faulthandler.dump_traceback_later(60, exit=True)
    for a, right in zip(copies(works[number]()), rights[number], strict=True):
        assert np.array_equal(a, right), (interrupts, number)

assert len(sys._current_frames()) <= workers + 2, (len(sys._current_frames()), workers)
assert len(buffers.kept) <= 1.5 * made, (len(buffers.kept), made)
assert threads.team_size() == threads.count and threads.team.get() == (0, 0)
print(interrupts)
"""


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize(
    "interrupts", [200, pytest.param(10_000, marks=(pytest.mark.slow, pytest.mark.very_slow))]
)
def test_no_call_hangs_and_no_bit_changes_after_ctrl_c_at_any_moment(interrupts, threads):
    code = STORM.format(interrupts=interrupts)
    seconds = 60 + interrupts // 10
    assert python(code, threads, seconds) == str(interrupts)


EVERYWHERE = """
import contextvars

FILE = threads.__file__
sys.gettrace = lambda: None  # run_pair must not notice
step = 0


def trace(frame, event, argument):
    if frame.f_code.co_filename != FILE:
        return None
    frame.f_trace_opcodes = True
    return instruction


def instruction(frame, event, argument):
    global step
    step -= event == "opcode"
    if not step:
        raise KeyboardInterrupt
    return instruction


def at(work, number):
    '''Return whether work() was interrupted before so many instructions of threads.py.'''
    global step
    step = number
    sys._getframe().f_trace_opcodes = True  # Python 3.12 asks before it traces
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def dismiss():
    for queue in threads.queues.values():
        queue.put(None)
    threads.queues.clear()


def halves():
    return threads.run_pair(lambda half: fast.relu_forward(x[half])[0])


def busy(first, stop, y):
    for i in range(first, stop):
        time.sleep(0.0003)
        y[i] = 1


def slow():  # so slow that workers are at it when the caller is interrupted
    y = np.zeros(8)
    try:
        threads.run(busy, 8, 1e9, y)
    finally:
        before = y.copy()
        time.sleep(0.0008 * (step == 0))
        assert np.array_equal(before, y)  # no worker writes any more
    return [y]


for work, fresh in (halves, False), (call, False), (halves, True), (slow, False):
    right, number = [np.array(a) for a in work()], 1
    while at(work, number):
        assert threads.team.get() == (0, 0) and threads.team_size() == threads.count
        if not fresh:  # else the next call has no workers, and starts some
            assert len(threads.queues) == threads.count - 1
            assert all(map(np.array_equal, work(), right))
        else:
            dismiss()
        number += 1
    dismiss()
    assert all(map(np.array_equal, work(), right)) and number > 30  # 3.11: 500
print("done")
"""


@pytest.mark.parametrize("threads", [2, 4])
def test_ctrl_c_may_come_before_any_instruction_of_threads(threads):
    assert python(EVERYWHERE, threads) == "done"


def test_a_lock_that_ctrl_c_has_left_held_makes_no_worker_wait():
    code = "buffers.lock.acquire()\nthreads.run_pair(lambda half: call())\nprint('done')"
    assert python(code) == "done"


FORKS = """
def failed():
    child = os.fork()
    if not child:
        signal.alarm(20)  # faulthandler's own thread is not there to be asked
        os._exit(bool(threads.queues) or not np.array_equal(call(), expected))
    return os.waitpid(child, 0)[1]


assert not any(failed() for _ in range({forks}) if call() is not None)
print("done")
"""


@pytest.mark.parametrize(
    "forks", [20, pytest.param(2000, marks=(pytest.mark.slow, pytest.mark.very_slow))]
)
def test_forked_children_call_at_once_and_none_hangs(forks):
    assert python(FORKS.format(forks=forks), 4, 60 + forks // 5) == "done"


ENDS = {
    "atexit": """
import atexit
atexit.register(lambda: print(np.array_equal(call(), expected)))
""",
    "atexit, and no worker yet": """
import atexit
threads.queues.clear()
atexit.register(lambda: print(np.array_equal(call(), expected)))
""",
    "a thread that is still running": """
def late():
    threading.main_thread().join()
    print(np.array_equal(call(), expected))

threading.Thread(target=late).start()
""",
    "a daemon thread that never ends": """
def for_ever():
    while True:
        call()

threading.Thread(target=for_ever, daemon=True).start()
time.sleep(0.05)
print(True)
""",
    "__del__": """
class Last:
    def __init__(self):
        self.call, self.equal, self.own = call, np.array_equal, self

    def __del__(self):
        try:
            self.call()
        except Exception:  # Python may have taken the modules apart
            pass
        os.write(1, b"True")

import minicnn
minicnn.last = Last()
""",
    "__del__, and no worker yet": """
class Last:
    def __init__(self):
        self.own = self

    def __del__(self, call=call, queues=threads.queues, write=os.write):
        queues.clear()
        try:
            call()
        except Exception:
            pass
        write(1, b"True")

import minicnn
minicnn.last = Last()
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_call_when_python_ends_works_or_ends_but_never_hangs(end):
    assert python(ENDS[end], 4) == "True"


COMPILING = """
import numba
from numba import njit


def fresh(number):
    @njit(nogil=True, error_model="numpy")
    def loop(first, stop, x, y):
        for i in range(first, stop):
            y[i] = x[i] * number
    return loop


def press(*signal_and_frame):
    raise KeyboardInterrupt


signal.signal(signal.SIGALRM, press)
y, x = np.zeros(100), np.arange(100.0)
chance, interrupts = random.Random(2), 0
for number in range(20):
    loop = fresh(number)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-4, 0.3))
            threads.run(loop, 100, 1e9, x, y)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
    threads.run(loop, 100, 1e9, x, y)
    assert np.array_equal(y, x * number)
print(interrupts > 0)
"""


def test_a_call_works_after_ctrl_c_while_numba_compiled():
    # LLVM calls back into llvmlite's Python, and does not always survive an exception there.
    assert python(COMPILING, crashes=3) == "True"
