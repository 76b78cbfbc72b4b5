"""What is kept of a run: a step for each statement, with what it made; but not of every turn.

    frame    one call: of the function itself, or of something that it calls in minicnn or in its
             own file.  A step says which by its number in record.frames
    step     one statement of a frame, once
    loop     one run of a `for` or `while`; turn 1, 2, … are its turns.  Both have numbers, too
    shown    of a loop the first two turns are shown, and the others if one picks them; but the
             loops of net.py go through the rows of a network, and each of them is shown
    wanted   {line of a loop: the number of a turn of it that somebody asked for}
    kept     turns that are shown or wanted are kept, and further ones while there is room
    kin      a number for a piece of memory: an array and its views are of one kin
    links    which entries of an array were made from which, as provenance.py finds out

A record is bounded, however long the run: it has some hundred steps, and no array, only Shots.  A
turn that was not kept is had by running the function once more, with that turn wanted.
"""

import itertools
import os
import weakref
from dataclasses import dataclass, field

import numpy as np

from .source import Source
from .values import look

STEPS, TURNS, SHOWN, DEPTH = 200, 64, 2, 3
ASKED = 20_000  # entries of inputs; so many are probed for links in turns that are not shown
WATCHED = 200_000  # lines; so many of one kernel's are run as Python, see kernels.py
PATIENCE = 50  # times as many where a turn is wanted: some ten seconds

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder of minicnn
ROWS = os.path.join(HERE, "net.py")

KIN = {}  # id of an array: a weak reference to it, and a number for its memory
NUMBERS = itertools.count()


class Enough(BaseException):
    """Raised in a kernel that runs as Python, when its first lines have been seen."""


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
    total: int = 0  # turns
    more: bool = False  # it went on when the rest of a kernel ran compiled


@dataclass
class Turn:
    loop: int
    number: int
    parent: int | None  # the turn of the loop around it


@dataclass(eq=False)
class Step:
    number: int
    frame: int
    statement: object
    turn: int | None  # the innermost turn that it belongs to
    after: int = 0  # turns, where a loop is done
    loop: int | None = None  # which one that is
    before: dict = field(default_factory=dict)  # what turns that are not kept have changed
    changed: dict = field(default_factory=dict)  # what this statement made
    raised: Exception | None = None
    note: str = ""  # what else is to be said of it
    links: dict = field(default_factory=dict)  # see provenance.py
    at: dict = field(default_factory=dict)  # {array: the one entry of it that the line is about}


class Record:
    """All steps of one run; tracing.py fills it."""

    def __init__(self, wanted=None):
        self.wanted = wanted or {}
        self.steps, self.frames, self.loops, self.turns = [], [], [], []
        self.start = 0  # the step that a reader begins with
        self.error = self.result = None
        self.failed = []  # what kernels raised that ran as Python
        self.live = []  # a Watch for each frame that is running, outermost first
        self.left = None  # in a kernel that runs as Python: how many lines are still watched
        self.asked = 0  # entries that were probed for links

    def path(self, turn):
        """Yield the turn with this number and those around it, also of the callers' loops."""
        while turn is not None:
            yield self.turns[turn]
            turn = self.turns[turn].parent

    def is_shown(self, turn):
        """Return whether a turn is among those that one goes through."""
        return turn.number <= SHOWN or self.is_row(turn)

    def is_row(self, turn):
        """Return whether a turn is a row of a network."""
        return self.frames[self.loops[turn.loop].frame].source.file == ROWS

    def is_wanted(self, turn):
        """Return whether somebody asked for a turn."""
        return self.wanted.get(self.loops[turn.loop].line) == turn.number

    def keeps(self, turn):
        """Return whether to keep a turn that begins.

        If one is not kept, those after it are not either, unless they are wanted.
        """
        own = self.loops[turn.loop].frame == 0  # loops of what it calls must not take all the room
        room = turn.number <= TURNS and len(self.steps) < (2 * STEPS if own else STEPS)
        return room or self.is_shown(turn) or self.is_wanted(turn)

    def may_open(self, kernel=False):
        """Return whether the step that is running may show what it calls.

        Calls in the first turn of a loop have room of their own, so that they are never missing;
        and in a turn that is wanted there is always room.
        """
        top = self.live[-1]
        depth = 1 if self.frames[0].source.file == ROWS else DEPTH  # a row shows its own lines
        if top.step is None or self.frames[top.frame].depth >= depth:
            return False
        path = list(self.path(top.step.turn))
        wanted = any(map(self.is_wanted, path))
        if kernel and not wanted and not all(map(self.is_shown, path)):
            return False
        first = all(turn.number == 1 or self.is_row(turn) for turn in path)
        return wanted or len(self.steps) < (3 * STEPS if first else STEPS)

    def may_ask(self, turn, entries):
        """Return whether to probe a step in this turn for links, which takes a while."""
        if all(self.is_shown(one) or self.is_wanted(one) for one in self.path(turn)):
            return True
        self.asked += entries
        return self.asked <= ASKED

    def count(self):
        """Count a line of a kernel that runs as Python.  Raises Enough when there were too many."""
        self.left -= 1
        if self.left < 0:
            raise Enough

    def found(self, turn):
        """A turn is kept; if it is all that was wanted, the rest of a kernel needs no patience."""
        wanted = sum(map(self.is_wanted, self.path(turn)))
        if self.left is not None and self.wanted and wanted == len(self.wanted):
            self.left = min(self.left, WATCHED)

    def look(self, value):
        """Return what values.py keeps of a value."""
        return look(value, kin_of)


def kin_of(array):
    """Return a number for the memory of an array: its views have the same, in whatever record."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    known = KIN.get(id(array))
    if known is None or known[0]() is not array:  # an id is used again, a number never
        place = id(array)
        known = weakref.ref(array, lambda gone: forget(place, gone)), next(NUMBERS)
        KIN[place] = known
    return known[1]


def forget(place, gone):
    """An array is gone; another one may be in its place already."""
    if place in KIN and KIN[place][0] is gone:
        del KIN[place]


def is_ours(value):
    """Return whether a function or module stands in a file of minicnn."""
    code = getattr(value, "__code__", None)
    file = code.co_filename if code else getattr(value, "__file__", None)
    return (file or "").startswith(HERE)
