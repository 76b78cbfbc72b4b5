"""Follow one call line by line, and keep what each line made.

When a line begins, the one before it is done, so its variables are compared with what they were;
what is new or different is kept as values.py has it.  A turn that is not kept passes by: Python
tells of each of its lines, too, which are counted, no more; so a loop may have millions of turns.

    running  the call as Python has it, with the variables as they are now
    now      the statement that is running, kept or not
    step     the same as a step, where it is kept
    inside   the loops that the call is in, outermost first
    pending  the head of a loop that came round: there is another turn, or the loop is done
    known    what each variable was when it was last looked at
    stale    lines have passed by since then; what they changed is found out with the next step
    scope    what all names were before the line that is running, if provenance.py asks it; or None
    outer    the turn of the caller's loop that this call belongs to
    raising  an exception is on its way out of the call
    failing  the same in a turn that passes by: where it was raised, and the exception
"""

import ast
from dataclasses import dataclass

from . import provenance
from .fingerprint import fingerprint, memory_of, unwritten
from .record import SHOWN, Frame, Loop, Step, Turn
from .values import unwrite

ORIGINAL = "__original__"  # kernels.py runs functions with globals of its own; here are the real


@dataclass
class Inside:
    """A loop that a call is in at the moment."""

    line: int
    last: int  # line of its body
    loop: int  # in record.loops
    planned: int | None  # so many turns it will have, if that is known
    turn: int | None = None  # in record.turns; None while a turn passes by


class Watch:
    """Follows one call; its method `event` is what Python calls."""

    def __init__(self, record, source):
        self.record, self.source = record, source
        caller = record.live[-1] if record.live else None
        parent = caller.step.number if caller else None
        depth = record.frames[caller.frame].depth + 1 if caller else 0
        self.frame = len(record.frames)
        record.frames.append(Frame(source, parent, depth, {}))
        self.outer = caller.step.turn if caller else None
        self.now = self.step = self.pending = self.failing = self.scope = None
        self.inside, self.known, self.stale, self.raising = [], {}, False, False

    # What Python tells.

    def event(self, running, event, argument):
        """Python's local trace function: a line begins, or an exception or the return is here."""
        if event == "line":
            self.raising = False
            if self.record.left is not None:
                self.record.count()
            self.line(running)
        elif event == "exception" and self.passes_by():
            self.failing = running.f_lasti, argument[1]
        elif event == "exception" and self.now:
            self.fail(running, self.now, argument[1])
        elif event == "return":
            self.leave(running, argument)
        return self.quick_event if self.passes_by() and not self.pending else self.event

    def quick_event(self, running, event, argument):
        """The trace function while turns pass by; what it does, it may do a million times."""
        inside = self.inside[-1]
        loop = self.record.loops[inside.loop]
        in_body = inside.line < running.f_lineno <= inside.last
        comes_round = running.f_lineno == inside.line
        due = comes_round and loop.total + 1 == self.record.wanted.get(inside.line)
        if event == "line" and (in_body or comes_round) and not due:
            if self.record.left is not None:
                self.record.count()
            self.pending = None
            if comes_round:
                loop.total += 1  # unless it turns out that the loop is done
                self.pending = self.source.statements[inside.line]
            return self.quick_event
        if self.pending:
            loop.total -= 1  # it is
        return self.event(running, event, argument)

    def passes_by(self):
        """Return whether the turn that is running is not kept."""
        return bool(self.inside) and self.inside[-1].turn is None

    def line(self, running):
        """A line begins: the one before is done, and this one is a step if it is kept."""
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
        if before and isinstance(statement.node, ast.With) and within(before, statement.node):
            return  # Python comes back to the `with` to leave it
        loops = statement.loops
        while len(self.inside) > len(loops) or (
            self.inside and self.inside[-1].line != loops[len(self.inside) - 1]
        ):
            self.inside.pop()
        head = bool(loops) and loops[-1] == statement.line
        if head and len(self.inside) == len(loops):
            self.pending = statement  # the loop comes round
        elif self.passes_by():
            self.stale = True
        else:
            if head:
                self.begin(running, statement)
            self.store(running, statement)

    def leave(self, running, returned):
        """The call is over: it returned, or an exception ended it."""
        if self.failing and self.failing[0] == running.f_lasti:  # in a turn that passed by
            self.keep_turn()
            statement = self.source.statements.get(running.f_lineno, self.now)
            self.fail(running, statement, self.failing[1])
        self.finish(running)
        if not self.raising:
            self.resolve(running, None)
            self.record.frames[self.frame].returned = self.record.look(returned)
        if self.record.live and self.record.live[-1] is self:
            self.record.live.pop()

    def fail(self, running, statement, error):
        """A statement raised an exception; perhaps it will be caught."""
        if self.step is None:
            self.store(running, statement)
        self.step.raised, self.raising = error, True

    def cut(self):
        """The rest of this call ran compiled."""
        self.record.frames[self.frame].cut = True
        if self.pending and self.passes_by():  # nobody knows whether there was another turn
            self.record.loops[self.inside[-1].loop].total -= 1
        for inside in self.inside:
            loop = self.record.loops[inside.loop]
            loop.total, loop.more = inside.planned or loop.total, inside.planned is None

    # Loops.

    def begin(self, running, statement):
        """A loop begins with its first turn."""
        last, planned = statement.node.body[-1].end_lineno, turns_of(statement.node, running)
        self.inside.append(Inside(statement.line, last, len(self.record.loops), planned))
        self.record.loops.append(Loop(statement.line, self.frame))
        self.next_turn()

    def next_turn(self):
        """Count a turn, and keep it if there is a reason to."""
        inside = self.inside[-1]
        loop = self.record.loops[inside.loop]
        loop.total += 1
        inside.turn = None
        if self.record.keeps(Turn(inside.loop, loop.total, None)):
            self.keep_turn()

    def keep_turn(self):
        """Keep the turn that is running."""
        inside = self.inside[-1]
        around = self.inside[-2].turn if len(self.inside) > 1 else self.outer
        number = self.record.loops[inside.loop].total
        inside.turn = len(self.record.turns)
        self.record.turns.append(Turn(inside.loop, number, around))
        self.record.found(inside.turn)

    def resolve(self, running, statement):
        """A loop came round: was there another turn, or was that the end?"""
        head, self.pending = self.pending, None
        if head is None:
            return
        if statement is not None and head.line in statement.loops:
            self.next_turn()
            if self.passes_by():
                self.stale = True
            else:
                self.store(running, head)
                self.finish(running)
            return
        loop = self.inside.pop().loop
        if self.record.loops[loop].total > SHOWN:
            hidden, here = self.made_in(loop), running.f_locals
            self.store(running, head, loop)
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

    # Steps.

    def store(self, running, statement, done=None):
        """Keep this statement as a step, or the end of the loop that is done.

        What it makes is found out when the next line begins.
        """
        turn = self.inside[-1].turn if self.inside else self.outer
        self.step = Step(len(self.record.steps), self.frame, statement, turn)
        if done is not None:
            self.step.after, self.step.loop = self.record.loops[done].total, done
        if self.stale:
            self.step.before = self.sync(running, running.f_locals)
            self.stale = False
        self.record.steps.append(self.step)
        self.scope = None
        if isinstance(statement.node, (ast.Assign, ast.AugAssign)):
            self.step.at = provenance.entries_of(statement.node, running)
            if self.record.left is None:
                self.scope = self.before(running, statement)

    def before(self, running, statement):
        """Return what all names are before a line runs, if provenance.py may ask the line; else
        None."""
        here = running.f_locals
        values = [here[name] for name in statement.names if name in here]
        small = provenance.small_parts(statement.names, here)
        if not small or provenance.is_long(values):
            return None
        if not self.record.may_ask(self.step.turn, sum(array.size for array in small.values())):
            return None
        scope = {**running.f_globals.get(ORIGINAL, running.f_globals), **here}
        return provenance.with_copies(scope, statement.names)

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
            self.step.links = provenance.of_line(statement, self.scope, here)
        memory = {place for name in self.step.changed for place in self.known[name][1]}
        views = [name for name, known in self.known.items() if memory & known[1]]
        self.step.changed |= self.sync(running, [name for name in views if name not in names])
        self.step = None

    def sync(self, running, names, made=()):
        """Return {name: what is kept of it} of those variables that are new, or have changed."""
        here, changed = running.f_locals, {}
        for name in names:
            if name not in here or name == "_":
                continue
            known = fingerprint(here[name]), memory_of(here[name])
            if name in made or self.known.get(name) != known:
                changed[name] = self.record.look(here[name])
                self.known[name] = known
        return changed


def within(statement, node):
    """Return whether a statement stands in the body of a node."""
    return node.lineno < statement.line <= node.end_lineno


def turns_of(node, running):
    """Return how many turns `for … in range(…)` will have, or None where one cannot say."""
    made = getattr(node, "iter", None)
    called = getattr(made, "func", None)
    if getattr(called, "id", getattr(called, "attr", "")) not in ("range", "prange"):
        return None
    inner = [inner for argument in made.args for inner in ast.walk(argument)]
    ends = any(isinstance(inner, (ast.Break, ast.Return)) for inner in ast.walk(node))
    if ends or any(isinstance(one, (ast.Call, ast.NamedExpr)) for one in inner):
        return None
    codes = [compile(ast.Expression(one), "<range>", "eval") for one in made.args]
    try:
        return len(range(*(eval(code, running.f_globals, running.f_locals) for code in codes)))
    except Exception:  # the line itself will say what is wrong
        return None
