"""The stepper: run a function of the library, and look at every line that it executed.

    from minicnn.step import step, picture

    steps = step(conv_forward, x, w, b, stride=2)
    steps                        in a notebook: code on the left, arrays on the right, arrow keys
    steps.show()                 in a terminal: Enter for the next line
    steps.result                 y, cache: what the function returned
    steps.backward(dy)           the same for the way back
    steps.turn(34, 57)           the same steps, at turn 57 of the loop in line 34
    steps.touch("w", (0, 1, 2, 2), dy)      one entry of the gradient, by finite differences;
                                 in the page of steps.backward(dy) one points at it
    steps.save("conv.html")      a page of its own; returns its path

What runs is the real function, never a copy of it; stepping/ has the parts.
"""

import copy
import functools
import inspect
import pathlib
import sys
from types import FunctionType

import numpy as np

from . import gradcheck, net, storage
from .stepping import (
    kernels,
    navigation,
    nudge as touching,
    page,
    pairs,
    provenance,
    source,
    terminal,
    terminal_session,
)
from .stepping.arguments import Arguments
from .stepping.record import Record
from .stepping.tracing import run
from .stepping.values import Shot, Text, described, look

PIXELS = 16384  # of a picture's array, at most


def step(function, *arguments, **options):
    """Run a function and return its Steps.

    Parameters
    ----------
    function : function
        A layer's forward or backward, a kernel that Numba compiled, net.forward, net.backward, or
        one of your own.
    *arguments, **options
        What it is called with.

    Returns
    -------
    Steps
        Should the function raise an exception, `step` does not: the steps end with the line that
        failed, for a mistake is worth a look, too.  So they say when they are shown, and
        `.result` raises the exception.

    Raises
    ------
    TypeError
        If it is not a function that is written in Python, or not called as it must be.
    ValueError
        If its source cannot be found.
    """
    if isinstance(function, functools.partial):
        arguments, options = (*function.args, *arguments), function.keywords | options
        function = function.func
    python = function.py_func if kernels.is_kernel(function) else function
    if not isinstance(python, FunctionType):
        if not callable(function):  # what it returned, say
            found = gradcheck.described(function)
            raise TypeError(f"step: this is {found}; pass the function itself: step(f, x, …)")
        kind = type(function).__name__
        what = getattr(function, "__name__", "this")
        raise TypeError(f"step: {what} is a {kind}; expected a Python function")
    try:
        bound = inspect.signature(python).bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"step: {python.__name__} cannot be called like this: {error}") from None
    return Steps(function, python, bound)


def other_way(function):
    """Return x_backward for x_forward, and backward for forward: it stands in the same module."""
    name = function.__name__
    module = sys.modules.get(function.__module__)
    scope = {**vars(module)} if module else {}
    scope |= getattr(function, "__globals__", {})
    back = scope.get(name.replace("forward", "backward"))
    if "forward" not in name or back is None:
        raise ValueError(
            f"step: {name} has no backward; expected a function called x_forward whose x_backward "
            "stands in the same file"
        )
    return back


def network_back(layers, dy, caches):
    """Return (dx,): net.backward with the arguments in the order of a layer's."""
    return net.backward(layers, caches, dy)[:1]


class Steps:
    """The steps of one run; see the module's docstring for what can be done with them."""

    def __init__(self, function, python, bound):
        self.function, self._python, self._bound = function, python, bound
        self._forward = self._dy = None  # the Steps of the forward pass, if these are the way back
        self._arguments = Arguments(bound)
        self._record = self._run(bound)

    def _run(self, bound, wanted=None):
        """Return the Record of a run; `wanted` are turns that it is to keep."""
        record = Record(wanted)
        runs = kernels.opened(self.function, record)
        run(record, runs, self._python.__code__, bound.args, bound.kwargs)
        return record

    def _again(self, wanted):
        """Return the Record of another run, with the arguments that the first one had."""
        return self._run(self._arguments.bound("turn"), self._record.wanted | wanted)

    @property
    def result(self):
        """What the function returned.  Raises what it raised, if it did not return."""
        if self._record.error is not None:
            raise self._record.error
        return self._record.result

    def backward(self, dy=None, **options):
        """Return the Steps of the backward pass: the same layer, from the cache that it returned.

        Parameters
        ----------
        dy : array, optional
            ∂L/∂y.  Not for a loss, where it is 1.

        Raises
        ------
        ValueError
            If dy is missing, or there is no backward function in the same module.
        TypeError
            If forward did not return a pair (y, cache).
        Exception
            What forward raised, if it did not return.
        """
        back = other_way(self.function)
        name = self.function.__name__
        y, cache = gradcheck.demand_pair(f"backward: {name}", self.result)
        if dy is None and np.ndim(y):
            raise ValueError(touching.MISSING.format("backward", np.shape(y)))
        given = () if dy is None else (dy,)
        if self.function is net.forward:
            steps = step(back, self._bound.arguments["layers"], cache, *given, **options)
        else:
            steps = step(back, *given, cache, **options)
        steps._forward, steps._dy = self, copy.deepcopy(dy)
        return steps

    def turn(self, line, number):
        """Return Steps that begin in a turn of a loop; the function runs once more and keeps it.

        For a loop inside another one, name both: steps.turn(24, 3).turn(28, 50).

        Parameters
        ----------
        line : int
            Where the loop begins, in the function or in one that it calls: the number beside the
            code.
        number : int
            Which turn of it; the first is 1.

        Raises
        ------
        TypeError
            If the line or the number is no whole number.
        ValueError
            If there is no such loop or turn, or it is beyond the first ten million lines of a
            kernel, or an argument has changed that is too large for a copy.
        """
        for what, value in (("line", line), ("number of the turn", number)):
            if not isinstance(value, (int, np.integer)):
                raise TypeError(
                    f"turn: the {what} is {described(value)}; expected whole numbers: turn(34, 57)"
                )
        loops = [loop for loop in self._record.loops if loop.line == line]
        if not loops:
            others = navigation.beginnings(self._record)
            raise ValueError(f"turn: no loop begins in line {line}; {others}")
        if not any(navigation.has_turn(loop, number) for loop in loops):
            most = max(loop.total for loop in loops)
            raise ValueError(f"turn: the loop in line {line} has {most:,} turns, and no {number:,}")
        found = copy.copy(self)
        found._record = self._again({line: number})
        first = navigation.first_in(found._record, [(line, number)])
        if first is None:
            raise ValueError(
                f"turn: {number:,} of line {line} {navigation.unreached(found._record)}"
            )
        found._record.start = first.number
        return found

    def touch(self, name, index, dy=None):
        """Compare one entry of the gradient with a finite difference.

        Parameters
        ----------
        name : str
            The argument: "x", "w" or "b", say; "dw" is the same as "w".  Of net.forward it is "x":
            gradcheck.check_network compares what its rows learn.
        index : tuple of int
            Which entry of it.
        dy : array, optional
            What y is multiplied with, so that L = Σ y·dy is one number.  Not for a loss, and for
            the steps of a backward pass it is the one that they began with.

        Returns
        -------
        Touch
            `.numeric`, `.analytic`, `.difference`, `.kink`, `.wrong`; print it.

        Raises
        ------
        ValueError
            For a name, an index or a dy that does not fit.
        TypeError
            If the name is no text, or forward did not return a pair (y, cache).
        """
        if self._forward:
            return self._forward.touch(name, index, self._dy if dy is None else dy)
        return touching.touch(*self._both_ways(), name, index, dy)

    def _both_ways(self):
        """Return forward, backward, and the arguments of forward."""
        back = other_way(self.function)
        if self.function is net.forward:
            back = functools.partial(network_back, self._bound.arguments["layers"])
        return self.function, back, self._arguments.before

    def _floats(self):
        """Return the names of the arguments that have a gradient."""
        arguments = self._bound.arguments.items()
        return [name for name, value in arguments if touching.is_float(value)]

    def _touched(self):
        """Return {"x": the Touches of all its entries, or None} for the page of a way back."""
        if not self._forward or self._record.error:
            return {}
        try:
            every = touching.every(*self._forward._both_ways(), self._dy)
        except Exception:  # in float64, for which it may not be made: the call will say why
            every = {}
        return {name: every.get(name) for name in self._forward._floats()}

    def _pairs(self):
        """Return {line of backward: the lines of code of forward that it undoes}."""
        if self._forward is None:
            return {}
        there, here = self._forward._record.frames[0].source, self._record.frames[0].source
        return {
            line: [pairs.text_of(there, there.statements[other]) for other in others]
            for line, others in pairs.pairs(there, here).items()
        }

    def _there(self):
        """Return what the variables of forward were in the end, if these are the way back."""
        return navigation.last_values(self._forward._record) if self._forward else {}

    def show(self, pause=input):
        """Walk through the steps in a terminal.

        Parameters
        ----------
        pause : function or None
            Asked with a prompt after every step, like `input`: Enter goes on, b back, o opens the
            call of the line, u leaves it, t 5 goes to turn 5 of the loop, also where the loop is
            done, r runs on, and q or Ctrl-C quits; on the way back, w[0, 1, 2, 2] touches that
            entry.  With None nothing stops.  For a turn that was not kept the function runs again.
        """
        touch = self.touch if self._forward else None
        terminal_session.show(self._record, pause, self._pairs(), self._there(), self._again, touch)

    def _arrays(self):
        """Return {"y": Shot or Row} of what was returned, by its name in the `return` line."""
        returned = self._record.result
        parts = returned if isinstance(returned, tuple) else (returned,)
        names = [f"d{name}" for name in self._forward._floats()] if self._forward else []
        if len(names) != len(parts):
            names = source.returned_names(self._record.frames[0].source)
        names = names if len(names) == len(parts) else [f"result[{n}]" for n in range(len(parts))]
        looks = {name: self._record.look(part) for name, part in zip(names, parts, strict=True)}
        arrays = {name: shot for name, shot in looks.items() if not isinstance(shot, Text)}
        first = self._record.steps[0]
        if arrays and not first.links:
            found = provenance.of_call(self.function, self._arguments.before, returned)
            first.links = {names[0]: found["result"]} if found else {}
        return arrays

    def _repr_html_(self):
        there = self._forward._record if self._forward else None
        arrays, touched = self._arrays(), self._touched()
        return page.of_steps(self._record, self._pairs(), there, arrays, touched)

    def save(self, path):
        """Write a page of its own that needs no network, whole or not at all; return its path.

        Parameters
        ----------
        path : path
            The file; if its name does not end in .html, that is added.

        Raises
        ------
        OSError
            If it is a folder, or cannot be written.
        """
        path = pathlib.Path(path)
        if path.is_dir():
            raise IsADirectoryError(f"save: {path} is a folder; expected the name of a file")
        if path.suffix.lower() not in (".html", ".htm"):
            path = path.with_name(f"{path.name}.html")
        storage.write_text(path, page.whole(navigation.title(self._record), self._repr_html_()))
        return path

    def __str__(self):
        return terminal.text(self._record, pairs=self._pairs(), forward=self._there())

    __repr__ = __str__


class Picture:
    """Arrays as heat maps; made by `picture`."""

    def __init__(self, arrays):
        self._shots = {}
        for name, array in arrays.items():  # each with colours of its own
            self._shots[name] = look(np.asarray(array), lambda _, own=name: own, PIXELS)

    def _repr_html_(self):
        return page.of_arrays(self._shots)

    def show(self, pause=None):
        """Print the arrays, in colour where the terminal has it."""
        colour = terminal.has_colour()
        for name, shot in self._shots.items():
            print("\n".join(terminal.array(name, shot, colour, indent="")))

    def __str__(self):
        shots = self._shots.items()
        return "\n".join("\n".join(terminal.array(name, shot, indent="")) for name, shot in shots)

    __repr__ = __str__


def picture(*nameless, **arrays):
    """Return a picture of arrays: picture(x=x, y=y).

    With a minus among its entries an array is blue, white and red, with white at 0; without, it is
    black at 0 and white at its largest.  Small arrays have their numbers in them.

    Parameters
    ----------
    **arrays : arrays
        The last two axes are a map; an array of more axes is several maps.

    Raises
    ------
    TypeError
        For what is not an array of numbers, or has no name.
    """
    if nameless:
        raise TypeError("picture: an array has no name to stand above it; write picture(x=x)")
    for name, array in arrays.items():
        if not isinstance(look(np.asarray(array)), Shot):
            raise TypeError(
                f"picture: {name} is a {type(array).__name__}; expected an array of numbers"
            )
    return Picture(arrays)
