"""Run a function and keep what each of its lines made.

Python itself tells us when a line begins (sys.settrace).  By then the line before it is done, so
its variables are compared with what they were, and what is new or different is kept as values.py
has it.  The function, its arguments and its result are the real ones.  One thing alone is changed:
the memory that np.empty finds, which may hold anything, is filled with NaN.

    frame    one call: of the function itself, or of something that it calls in minicnn or in its
             own file.  A step says which by its number in record.frames
    running  the same as Python has it, with the variables as they are now
    step     one statement of a frame, once
    loop     one run of a `for` or `while`; turn 1, 2, … are its turns.  Both have numbers, too
    shown    of a loop the first two turns are shown, and the others if one picks them; but the
             loops of net.py go through the rows of a network, and each of them is shown
    kept     of a loop the first two turns are kept, in whatever loops it stands, and further ones
             as long as no more than STEPS steps are.  The loops of the function itself keep
             up to TURNS turns in any case
    stale    a frame is stale after lines that were not kept; what they changed is found out with
             the next step that is
    look     a Shot, a Row or a Text: what values.py keeps of a value
    kin      a number for a piece of memory: an array and its views are of one kin
    links    which entries of an array were made from which, as links.py finds out

A record is bounded, however long the run: it has some STEPS steps, and no array, only Shots.
"""

import ast
import inspect
import itertools
import os
import sys
import weakref
import zlib
from dataclasses import dataclass, field

import numpy as np

from . import links, source
from .values import is_row, look, unwrite

STEPS, TURNS, SHOWN, DEPTH = 200, 64, 2, 3
LARGE = 1_000_000  # entries; whether a larger array has changed is judged by so many of them
WATCHED = 100_000  # lines; so many of one kernel's are run as Python, see kernels.py

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder of minicnn
ROWS = os.path.join(HERE, "net.py")
ORIGINAL = "__original__"  # kernels.py runs functions with globals of its own; here are the real
SKIPPED = ("checks.py", "threads.py", "buffers.py", "stepping", "step.py")  # not opened


NUMBERS = itertools.count()  # one for the memory of each array, in whatever record


class Enough(BaseException):
    """Raised in a kernel that runs as Python, when its first lines have been seen."""


@dataclass
class Frame:
    source: source.Source
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
    links: dict = field(default_factory=dict)  # see links.py


@dataclass
class Open:
    """A loop that a frame is in at the moment."""

    line: int
    number: int
    kept: bool
    loop: int | None
    turn: int | None


class Record:
    """All steps of one run; `record.run(function, arguments, options)` fills it."""

    def __init__(self):
        self.steps, self.frames, self.loops, self.turns = [], [], [], []
        self.live = []  # a Watch for each frame that is running, outermost first
        self.kin = {}  # id of an array: a weak reference to it, and its number
        self.sources = {}  # of each code object
        self.error = self.result = None
        self.files = {}  # whether what a file defines is opened
        self.left = None  # in a kernel that runs as Python: how many lines are still watched

    def run(self, function, code, arguments, options):
        """Call the function; keep its result, or the exception that it raised."""
        self.code, self.files = code, {code.co_filename: True}
        self.sources[code] = source.read(code)
        before = sys.gettrace()
        sys.settrace(self.called)
        try:
            self.result = function(*arguments, **options)
        except Exception as error:
            if is_own(error):
                raise
            self.error = error
        finally:
            sys.settrace(before)
        for step in self.steps:
            if step.raised is not self.error:
                step.raised = None  # it was caught on the way

    def called(self, running, event, argument):
        """Decide, where a function is called, whether to watch it: Python's trace function."""
        counted = None if self.left is None else self.counted
        if event != "call" or not self.opens(running.f_code):
            return counted
        try:
            return self.watch(running.f_code).event
        except ValueError:  # its source cannot be read: step over it
            return counted

    def counted(self, running, event, argument):
        """Count the lines of a kernel that runs as Python: the trace function of what is not shown.

        Raises Enough when there were so many.
        """
        if event == "line":
            self.left -= 1
            if self.left < 0:
                raise Enough
        return self.counted

    def opens(self, code):
        """Return whether to look into a call: of the function itself, or of what it calls in
        minicnn or in its own file."""
        if not self.live:
            return code is self.code
        file = code.co_filename
        if file not in self.files:  # asked of every call in the run, so each file is judged once
            parts = file[len(HERE) :].split(os.sep)
            self.files[file] = file.startswith(HERE) and not any(part in SKIPPED for part in parts)
        if not self.files[file] or code.co_name[0] == "<" or code.co_flags & inspect.CO_GENERATOR:
            return False
        return self.may_open()

    def may_open(self, kernel=False):
        """Return whether the step that is running may show what it calls.

        Calls in the first turn of a loop have room of their own, so that they are never missing.
        """
        top = self.live[-1]
        depth = 1 if self.frames[0].source.file == ROWS else DEPTH  # a row shows its own lines
        if top.step is None or self.frames[top.frame].depth >= depth:
            return False
        path = list(self.path(top.step.turn))
        if kernel and not all(map(self.is_shown, path)):
            return False
        first = all(turn.number == 1 or self.is_row(turn) for turn in path)
        return len(self.steps) < (3 * STEPS if first else STEPS)

    def is_shown(self, turn):
        """Return whether a turn is among those that one goes through."""
        return turn.number <= SHOWN or self.is_row(turn)

    def is_row(self, turn):
        """Return whether a turn is a row of a network."""
        return self.frames[self.loops[turn.loop].frame].source.file == ROWS

    def path(self, turn):
        """Yield the turn and those around it."""
        while turn is not None:
            yield self.turns[turn]
            turn = self.turns[turn].parent

    def watch(self, code):
        """Return the Watch of a frame that begins."""
        if code not in self.sources:
            self.sources[code] = source.read(code)
        watch = Watch(self, code)
        self.live.append(watch)
        return watch

    def look(self, value):
        """Return the Shot or the Text of a value."""
        return look(value, self.kin_of)

    def kin_of(self, array):
        """Return a number for the memory of an array: views of one array have the same."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        known = self.kin.get(id(array))
        if known is None or known[0]() is not array:
            known = weakref.ref(array), next(NUMBERS)  # an id is used again, a number never
            self.kin[id(array)] = known
        return known[1]


class Watch:
    """Follows one frame line by line."""

    def __init__(self, record, code):
        self.record, self.source = record, record.sources[code]
        caller = record.live[-1] if record.live else None
        parent = caller.step.number if caller else None
        depth = record.frames[caller.frame].depth + 1 if caller else 0
        self.frame = len(record.frames)
        record.frames.append(Frame(self.source, parent, depth, {}))
        self.outer = caller.step.turn if caller else None
        self.now = self.step = self.pending = None
        self.open, self.known, self.stale, self.raising = [], {}, False, False

    def event(self, running, event, argument):
        """Python's local trace function: a line begins, or an exception or the return is here."""
        if event == "line":
            self.raising = False
            self.line(running)
        elif event == "exception" and self.now:
            if self.step is None:
                self.store(running, self.now)
            self.step.raised, self.raising = argument[1], True
        elif event == "return":
            self.finish(running)
            if not self.raising:
                self.record.frames[self.frame].returned = self.record.look(argument)
            if self.record.live and self.record.live[-1] is self:
                self.record.live.pop()
        return self.event

    def line(self, running):
        """A line begins: the one before is done, and this one is a step if it is kept."""
        if self.record.left is not None:
            self.record.counted(running, "line", None)
        statement = self.source.statements.get(running.f_lineno)
        if statement is self.now or statement is None:
            return
        if self.now is None:
            self.store(running, self.source.header)
            self.step.changed = self.sync(running, running.f_locals)
            self.record.frames[self.frame].arguments = self.step.changed
            self.step = None
        self.finish(running)
        self.resolve(running, statement)
        before, self.now = self.now, statement
        if before and isinstance(statement.node, ast.With) and inside(before, statement.node):
            return  # Python comes back to the `with` to leave it
        loops = statement.loops
        while len(self.open) > len(loops) or (
            self.open and self.open[-1].line != loops[len(self.open) - 1]
        ):
            self.open.pop()
        if loops and loops[-1] == statement.line:
            if len(self.open) == len(loops):  # the loop comes round
                self.pending = statement
                return
            self.begin(statement)
        if all(loop.kept for loop in self.open):
            self.store(running, statement)
        else:
            self.stale = True

    def cut(self):
        """The rest of this frame ran compiled."""
        self.record.frames[self.frame].cut = True
        for one in self.open:
            if one.loop is not None:
                self.record.loops[one.loop].more = True

    def begin(self, statement):
        """A loop begins with its first turn."""
        loop = Open(statement.line, 0, all(one.kept for one in self.open), None, None)
        if loop.kept:
            loop.loop = len(self.record.loops)
            self.record.loops.append(Loop(statement.line, self.frame))
        self.open.append(loop)
        self.next_turn(loop)

    def next_turn(self, loop):
        """Count a turn, and decide whether it is kept."""
        loop.number += 1
        if loop.loop is None:
            return
        record = self.record
        record.loops[loop.loop].total = loop.number
        own = self.frame == 0 and len(self.open) == 1
        loop.kept = loop.number <= SHOWN or (
            loop.number <= TURNS and (own or len(record.steps) < STEPS)
        )
        if loop.kept:
            around = self.open[-2].turn if len(self.open) > 1 else self.outer
            loop.turn = len(record.turns)
            record.turns.append(Turn(loop.loop, loop.number, around))

    def resolve(self, running, statement):
        """A loop came round: was there another turn, or was that the end?"""
        header, self.pending = self.pending, None
        if header is None:
            return
        loop = self.open[-1]
        if statement is not None and header.line in statement.loops:
            self.next_turn(loop)
            if loop.kept:
                self.store(running, header)
                self.finish(running)
            else:
                self.stale = True
            return
        self.open.pop()
        around = all(one.kept for one in self.open)
        if around and loop.loop is not None and loop.number > SHOWN:
            hidden = self.made_in(loop.loop)
            self.store(running, header, loop)
            here = running.f_locals
            known = {name: self.record.look(here[name]) for name in hidden if name in here}
            self.step.changed, self.step.before = known | self.step.before, {}
            self.step = None

    def made_in(self, loop):
        """Return the names that steps of a loop have made, but for those of the shown turns."""
        made = {}
        for step in self.record.steps:
            path = [turn for turn in self.record.path(step.turn) if turn.loop == loop]
            if step.frame == self.frame and path and not self.record.is_shown(path[0]):
                made |= step.changed
        return list(made)

    def store(self, running, statement, done=None):
        """Keep this statement as a step, or the end of a loop that is done.

        What it makes is found out when the next line begins.
        """
        turn = self.open[-1].turn if self.open else self.outer
        self.step = Step(len(self.record.steps), self.frame, statement, turn)
        if done:
            self.step.after, self.step.loop = done.number, done.loop
        if self.stale:
            self.step.before = self.sync(running, running.f_locals)
            self.stale = False
        self.record.steps.append(self.step)
        self.scope = None
        if isinstance(statement.node, (ast.Assign, ast.AugAssign)) and self.record.left is None:
            self.scope = self.before(running, statement)

    def before(self, running, statement):
        """Return what all names are before a line runs, if links.py may ask the line; else None."""
        here = running.f_locals
        values = [here[name] for name in statement.names if name in here]
        if not links.small_parts(statement.names, here) or links.is_long(values):
            return None
        scope = {**running.f_globals.get(ORIGINAL, running.f_globals), **here}
        return links.with_copies(scope, statement.names)

    def finish(self, running):
        """The statement is done: keep what it made."""
        if self.step is None:
            return
        statement, here = self.step.statement, running.f_locals
        names = [name for name in statement.names if name in here]
        names += [name for name in statement.makes if name in here and name not in names]
        if not self.raising:
            for name in unwritten(statement.node, running.f_globals):
                unwrite(here[name])
        self.step.changed |= self.sync(running, names, statement.makes)
        if self.scope is not None and not self.raising:
            self.step.links = links.of_line(statement, self.scope, here)
        memory = {place for name in self.step.changed for place in self.known[name][1]}
        views = [name for name, known in self.known.items() if memory & known[1]]
        self.step.changed |= self.sync(running, [name for name in views if name not in names])
        self.step = None

    def sync(self, running, names, made=()):
        """Return {name: Shot or Text} of those variables that are new, or not what they were."""
        here, changed = running.f_locals, {}
        for name in names:
            if name not in here or name == "_":
                continue
            known = fingerprint(here[name]), memory_of(here[name])
            if name in made or self.known.get(name) != known:
                changed[name] = self.record.look(here[name])
                self.known[name] = known
        return changed


def is_own(error):
    """Return whether an error was raised here, in the stepper, and not in what it steps through."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.startswith(os.path.join(HERE, "stepping"))


def inside(statement, node):
    """Return whether a statement stands in the body of a node."""
    return node.lineno < statement.line <= node.end_lineno


def fingerprint(value):
    """Return something that changes when the value does."""
    if is_row(value):
        return [fingerprint(part) for part in value]
    if isinstance(value, np.ndarray):
        some = value if value.size < LARGE else value.reshape(-1)[:: value.size // LARGE]
        return id(value), value.shape, zlib.crc32(np.ascontiguousarray(some).view(np.uint8))
    if isinstance(value, (int, float, str, bool, np.generic, type(None))):
        return repr(value)
    return id(value), len(value) if hasattr(value, "__len__") else 0


def unwritten(node, scope):
    """Return the names to which a statement gives np.empty(…), or a buffer of fast/."""
    target, value = getattr(node, "targets", [None])[0], getattr(node, "value", None)
    targets, made = [target], [value]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):  # y, scale = empty(…), …
        targets, made = target.elts, value.elts
    return [
        one.id
        for one, made_of in zip(targets, made, strict=False)
        if isinstance(one, ast.Name) and is_empty(made_of, scope)
    ]


def is_empty(value, scope):
    """Return whether an expression is np.empty(…), or the same with the buffers of fast/."""
    called = getattr(getattr(value, "body", value), "func", None)  # the body of `… if … else …`
    name = getattr(called, "attr", getattr(called, "id", ""))
    theirs = str(getattr(scope.get(name), "__module__", "")).startswith("minicnn.fast")
    return name in ("empty", "empty_like") and (isinstance(called, ast.Attribute) or theirs)


def memory_of(value):
    """Return whose memory an array uses, or those of a row do, as a set."""
    if is_row(value):
        return set().union(*map(memory_of, value))
    if not isinstance(value, np.ndarray):
        return set()
    while isinstance(value.base, np.ndarray):
        value = value.base
    return {id(value)}
