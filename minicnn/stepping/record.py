"""The record of a run: one step for each statement, with the values that it changed.

    frame    one call, of the stepped function or of another in minicnn or in the same file;
             a step refers to it by its number in record.frames
    step     one execution of a statement in a frame
    loop     one execution of a `for` or `while` statement, numbered in record.loops
    turn     one iteration of a loop; the first has the number 1
    shown    the first two iterations of a loop are shown, and others when a reader picks them.
             The loops of net.py go through the layers of a network, and each layer is shown
    wanted   {line of a loop: the iteration that the user requested}
    kept     shown and wanted iterations are kept, and others up to a limit
    kin      a number for a piece of memory, which an array and its views share
    links    which entries of an array depend on which, found by provenance.py

The size of a record is bounded, however long the run: it has a few hundred steps, and Shots
(values.py) instead of arrays.  To show an iteration that was not kept, the stepper runs the
function again, with that iteration wanted.
"""

import itertools
import os
import weakref
from dataclasses import dataclass, field

import numpy as np

from .source import Source
from .values import MAPS, Row, Shot, look

STEPS, TURNS, SHOWN, DEPTH = 200, 64, 2, 3
ASKED = 20_000  # the most input entries that are probed for links in iterations not shown
WATCHED = 200_000  # the most lines of one kernel that run as Python; see kernels.py
PATIENCE = 50  # a wanted iteration may run PATIENCE × WATCHED lines: about ten seconds

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder of minicnn
NET = os.path.join(HERE, "net.py")

KIN = {}  # id of an array: a weak reference to it, and a number for its memory
NUMBERS = itertools.count()


class Enough(BaseException):
    """Stops a kernel that runs as Python after its first WATCHED lines."""


@dataclass
class Frame:
    source: Source
    parent: int | None  # the step that called it
    depth: int
    arguments: dict
    returned: object = None
    cut: bool = False  # the rest of a kernel ran compiled


@dataclass
class Loop:
    line: int
    frame: int
    total: int = 0  # iterations
    more: bool = False  # further iterations ran compiled


@dataclass
class Turn:
    """One iteration of a loop."""

    loop: int
    number: int
    parent: int | None  # the iteration of the surrounding loop


@dataclass(eq=False)
class Step:
    number: int
    frame: int
    statement: object
    turn: int | None  # the innermost iteration that it belongs to
    after: int = 0  # at the end of a loop: its number of iterations
    loop: int | None = None  # at the end of a loop: its number
    before: dict = field(default_factory=dict)  # values that skipped iterations have changed
    changed: dict = field(default_factory=dict)  # values that this statement has changed
    raised: Exception | None = None
    note: str = ""  # a remark for the reader
    links: dict = field(default_factory=dict)  # see provenance.py
    at: dict = field(default_factory=dict)  # {array: the box that the line indexes}; see boxes.py
    bases: dict = field(default_factory=dict)  # {array: (view of it that the line uses, its box)}


class Record:
    """The steps of one run; tracing.py fills it."""

    def __init__(self, wanted=None):
        self.wanted = wanted or {}
        self.steps, self.frames, self.loops, self.turns = [], [], [], []
        self.start = 0  # the first step to show
        self.error = self.result = None
        self.failed = []  # exceptions of kernels that ran as Python
        self.live = []  # a Watch for each running frame, outermost first
        self.left = None  # the lines that a kernel may still run as Python; None outside of one
        self.asked = 0  # input entries probed for links so far
        self.room = 20 * MAPS  # the entries of arrays that may still be kept whole

    def path(self, turn):
        """Yield an iteration and those that surround it, in this frame and in its callers."""
        while turn is not None:
            yield self.turns[turn]
            turn = self.turns[turn].parent

    def is_shown(self, turn):
        """Return whether an iteration is shown without being picked."""
        return turn.number <= SHOWN or self.is_layer(turn)

    def is_layer(self, turn):
        """Return whether an iteration runs a layer of a network."""
        return self.frames[self.loops[turn.loop].frame].source.file == NET

    def is_wanted(self, turn):
        """Return whether the user requested an iteration."""
        return self.wanted.get(self.loops[turn.loop].line) == turn.number

    def keeps(self, turn):
        """Return whether to keep an iteration that is about to run.

        After one that is not kept, only wanted iterations are kept.
        """
        top = self.loops[turn.loop].frame == 0  # called functions must not use up the limit
        fits = turn.number <= TURNS and len(self.steps) < (2 * STEPS if top else STEPS)
        return fits or self.is_shown(turn) or self.is_wanted(turn)

    def may_open(self, kernel=False):
        """Return whether the running step may show the lines of a function that it calls.

        Calls in first iterations have a larger limit, so that they are rarely missing.  Calls in
        wanted iterations have none.
        """
        top = self.live[-1]
        depth = 1 if self.frames[0].source.file == NET else DEPTH  # a layer shows its own lines
        if top.step is None or self.frames[top.frame].depth >= depth:
            return False
        path = list(self.path(top.step.turn))
        wanted = any(map(self.is_wanted, path))
        if kernel and not wanted and not all(map(self.is_shown, path)):
            return False
        first = all(turn.number == 1 or self.is_layer(turn) for turn in path)
        return wanted or len(self.steps) < (3 * STEPS if first else STEPS)

    def may_ask(self, turn, entries):
        """Return whether to probe a step in this iteration for links, which takes time."""
        if all(self.is_shown(t) or self.is_wanted(t) for t in self.path(turn)):
            return True
        self.asked += entries
        return self.asked <= ASKED

    def count(self):
        """Count a line of a kernel that runs as Python; raise Enough at the limit."""
        self.left -= 1
        if self.left < 0:
            raise Enough

    def shorten_limit(self, turn):
        """Return to the normal limit of lines once all wanted iterations have been reached."""
        wanted = sum(map(self.is_wanted, self.path(turn)))
        if self.left is not None and self.wanted and wanted == len(self.wanted):
            self.left = min(self.left, WATCHED)

    def look(self, value, name=""):
        """Return the summary of a value; see values.py.  Only a number of maps are kept whole."""
        seen = look(value, kin_of, maps=MAPS if self.room > 0 else 0, name=name)
        shots = seen.shots if isinstance(seen, Row) else (seen,) * isinstance(seen, Shot)
        self.room -= sum(shot.panels.size for shot in shots)
        return seen


def kin_of(array):
    """Return a number for the memory of an array; its views have the same, also across records."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    key = id(array)
    reference, number = KIN.get(key, (None, None))
    if reference is None or reference() is not array:  # ids are reused, numbers never
        reference, number = weakref.ref(array, lambda dead: forget(key, dead)), next(NUMBERS)
        KIN[key] = reference, number
    return number


def forget(key, reference):
    """Remove an array that was deleted, unless another array already has its id."""
    if key in KIN and KIN[key][0] is reference:
        del KIN[key]


def is_ours(value):
    """Return whether a function or module is defined in minicnn."""
    code = getattr(value, "__code__", None)
    file = code.co_filename if code else getattr(value, "__file__", None)
    return (file or "").startswith(HERE)
