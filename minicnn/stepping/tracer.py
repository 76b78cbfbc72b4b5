"""Follow one call line by line, and record the values that each line changes.

When a line begins, the previous line is done: its variables are compared with their earlier
fingerprints, and summaries of new and changed ones are stored.  An iteration that is not kept is
skipped: its lines are only counted, so that a loop may have millions of iterations.

    running  Python's frame object of the call, with the current variables
    now      the running statement, kept or not
    step     the Step of that statement, or None if it is not kept
    inside   the loops around it, outermost first
    pending  the head of a loop that was reached again; the next line shows whether the loop is done
    known    {variable: its last fingerprint and memory}
    stale    whether lines were skipped since then; the next step finds out what they changed
    scope    the values of all names before the running line, if provenance.py probes it, else None
    outer    the iteration of the caller's loop that contains this call
    raising  whether an exception is propagating out of the call
    failing  the same in a skipped iteration: the instruction that raised, and the exception
"""

import ast
from dataclasses import dataclass

from . import boxes, provenance
from .fingerprint import fingerprint, memory_of, unwritten
from .record import SHOWN, Frame, Loop, Step, Turn
from .values import unwrite

ORIGINAL = "__original__"  # the key of a function's real globals in those made by kernels.py


@dataclass
class Inside:
    """A loop that is running."""

    line: int
    last: int  # the last line of its body
    loop: int  # its number in record.loops
    planned: int | None  # the number of iterations, if known in advance
    turn: int | None = None  # a number in record.turns; None in a skipped iteration


class Watch:
    """Follows one call; its method `event` is the local trace function."""

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

    # Trace events.

    def event(self, running, event, argument):
        """Handle a trace event: a line begins, an exception is raised or the call returns."""
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
        """Handle an event in a skipped iteration; it may run millions of times, so it is short."""
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
                loop.total += 1  # undone below if the loop is done
                self.pending = self.source.statements[inside.line]
            return self.quick_event
        if self.pending:
            loop.total -= 1  # the loop is done after all
        return self.event(running, event, argument)

    def passes_by(self):
        """Return whether the running iteration is skipped."""
        return bool(self.inside) and self.inside[-1].turn is None

    def line(self, running):
        """Finish the previous line; the line that begins becomes a step if it is kept."""
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
            return  # Python returns to the `with` line to leave its block
        loops = statement.loops
        while len(self.inside) > len(loops) or (
            self.inside and self.inside[-1].line != loops[len(self.inside) - 1]
        ):
            self.inside.pop()
        head = bool(loops) and loops[-1] == statement.line
        if head and len(self.inside) == len(loops):
            self.pending = statement  # the head of the loop again
        elif self.passes_by():
            self.stale = True
        else:
            if head:
                self.begin(running, statement)
            self.store(running, statement)

    def leave(self, running, returned):
        """Finish the call, which returned or raised an exception."""
        if self.failing and self.failing[0] == running.f_lasti:  # in a skipped iteration
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
        """Note that a statement raised an exception, which may still be caught."""
        if self.step is None:
            self.store(running, statement)
        self.step.raised, self.raising = error, True

    def cut(self):
        """Note that the rest of this call ran compiled."""
        self.record.frames[self.frame].cut = True
        if self.pending and self.passes_by():  # whether another iteration follows is unknown
            self.record.loops[self.inside[-1].loop].total -= 1
        for inside in self.inside:
            loop = self.record.loops[inside.loop]
            loop.total, loop.more = inside.planned or loop.total, inside.planned is None

    # Loops.

    def begin(self, running, statement):
        """Begin a loop and its first iteration."""
        last, planned = statement.node.body[-1].end_lineno, planned_turns(statement.node, running)
        self.inside.append(Inside(statement.line, last, len(self.record.loops), planned))
        self.record.loops.append(Loop(statement.line, self.frame))
        self.next_turn()

    def next_turn(self):
        """Count an iteration, and keep it if the record wants it."""
        inside = self.inside[-1]
        loop = self.record.loops[inside.loop]
        loop.total += 1
        inside.turn = None
        if self.record.keeps(Turn(inside.loop, loop.total, None)):
            self.keep_turn()

    def keep_turn(self):
        """Keep the running iteration."""
        inside = self.inside[-1]
        around = self.inside[-2].turn if len(self.inside) > 1 else self.outer
        number = self.record.loops[inside.loop].total
        inside.turn = len(self.record.turns)
        self.record.turns.append(Turn(inside.loop, number, around))
        self.record.shorten_limit(inside.turn)

    def resolve(self, running, statement):
        """Settle a pending loop head: begin another iteration, or end the loop."""
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
            hidden, variables = self.names_made_in(loop), running.f_locals
            self.store(running, head, loop)
            made = [name for name in hidden if name in variables]
            known = {name: self.record.look(variables[name], name) for name in made}
            self.step.changed, self.step.before = known | self.step.before, {}
            self.step = None

    def names_made_in(self, loop):
        """Return the names that steps in iterations of a loop have made, except in shown ones."""
        made = {}
        for step in self.record.steps:
            path = [turn for turn in self.record.path(step.turn) if turn.loop == loop]
            if step.frame == self.frame and path and not self.record.is_shown(path[0]):
                made |= step.changed
        return list(made)

    # Steps.

    def store(self, running, statement, done=None):
        """Record this statement as a step, or as the end of the loop `done`.

        Its changes are recorded when the next line begins.
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
            self.step.at = boxes.indexed(statement.node, running)
            if self.record.left is None:
                self.scope = self.scope_before(running, statement)

    def scope_before(self, running, statement):
        """Return the values of all names before a line runs, or None if it is not to be probed."""
        variables = running.f_locals
        values = [variables[name] for name in statement.names if name in variables]
        small = provenance.small_parts(statement.names, variables)
        if not small or provenance.is_long(values):
            return None
        if not self.record.may_ask(self.step.turn, sum(array.size for array in small.values())):
            return None
        scope = {**running.f_globals.get(ORIGINAL, running.f_globals), **variables}
        return provenance.with_copies(scope, statement.names)

    def finish(self, running):
        """Record the changes of the statement that is done."""
        if self.step is None:
            return
        statement, variables = self.step.statement, running.f_locals
        names = [name for name in statement.names if name in variables]
        names += [name for name in statement.makes if name in variables and name not in names]
        if not self.raising:
            for name in unwritten(statement.node, running.f_globals):
                unwrite(variables[name])
        self.step.changed |= self.sync(running, names, statement.makes)
        if not isinstance(statement.node, ast.FunctionDef):
            self.step.bases = boxes.bases(names, variables, self.step.at)
        if self.scope is not None and not self.raising:
            self.step.links = provenance.line_links(statement, self.scope, variables)
        memory = {place for name in self.step.changed for place in self.known[name][1]}
        views = [name for name, known in self.known.items() if memory & known[1]]
        self.step.changed |= self.sync(running, [name for name in views if name not in names])
        self.step = None

    def sync(self, running, names, made=()):
        """Return {name: summary} of the variables that are new or have changed."""
        variables, changed = running.f_locals, {}
        for name in names:
            if name not in variables or name == "_":
                continue
            known = fingerprint(variables[name]), memory_of(variables[name])
            if name in made or self.known.get(name) != known:
                changed[name] = self.record.look(variables[name], name)
                self.known[name] = known
        return changed


def within(statement, node):
    """Return whether a statement is in the body of a node."""
    return node.lineno < statement.line <= node.end_lineno


def planned_turns(node, running):
    """Return the number of iterations of `for … in range(…)`, or None if it is not known."""
    iterable = getattr(node, "iter", None)
    called = getattr(iterable, "func", None)
    if getattr(called, "id", getattr(called, "attr", "")) not in ("range", "prange"):
        return None
    inner = [n for argument in iterable.args for n in ast.walk(argument)]
    ends_early = any(isinstance(n, (ast.Break, ast.Return)) for n in ast.walk(node))
    if ends_early or any(isinstance(n, (ast.Call, ast.NamedExpr)) for n in inner):
        return None
    codes = [compile(ast.Expression(bound), "<range>", "eval") for bound in iterable.args]
    try:
        return len(range(*(eval(code, running.f_globals, running.f_locals) for code in codes)))
    except Exception:  # the line itself will show the mistake
        return None
