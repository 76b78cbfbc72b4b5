"""The stepper: run a function of the library and look at every line that it executed.

    from minicnn.step import step, picture, slides

    steps = step(conv_forward, x, w, b, stride=2)
    steps                        in a notebook: code on the left, arrays on the right, arrow keys
    steps.show()                 in a terminal: Enter for the next line
    steps.result                 the function's result: y, cache
    step(kernel[grid, block], x, y)         a CUDA kernel, which the emulator of verify/gpu runs
    steps.backward(dy)           the same for the backward pass
    steps.turn(34, 57)           the same steps, from iteration 57 of the loop in line 34
    steps.touch("w", (0, 1, 2, 2), dy)      one entry of the gradient beside a finite difference;
                                 on the page of steps.backward(dy), point at an entry instead
    steps.save("conv.html")      write a web page; returns its path
    picture(x=x, y=y)            arrays without steps; slides(…) several pictures with a slider

The real function runs, never a copy of it; stepping/ has the parts.
"""

import copy
import functools
import inspect
import sys
from types import FunctionType

import numpy as np

from . import net
from .gradcheck import demands
from .stepping import (
    gpu_steps,
    kernels,
    navigation,
    nudge,
    page,
    pairs,
    provenance,
    source,
    terminal,
    terminal_session,
)
from .stepping.arguments import Arguments
from .stepping.pictures import picture, slides  # noqa: F401  part of this module
from .stepping.record import Record
from .stepping.tracing import run
from .stepping.values import Text, described


def step(function, *arguments, **options):
    """Run a function and return its Steps.

    Parameters
    ----------
    function : function
        A layer's forward or backward function, a kernel compiled by Numba, net.forward,
        net.backward, or a function of your own.  Or a CUDA kernel with its grid and block,
        kernel[2, 32], or a function of minicnn.cuda: these return GpuSteps, see
        stepping/gpu_steps.py.
    *arguments, **options
        The arguments of the call.

    Returns
    -------
    Steps
        If the function raises an exception, `step` does not: the steps end with the line that
        failed, and their title says so.  `.result` raises the exception.

    Raises
    ------
    TypeError
        If it is not a function written in Python, or the arguments do not fit its signature.
    ValueError
        If its source is not available.
    """
    if isinstance(function, functools.partial):
        arguments, options = (*function.args, *arguments), function.keywords | options
        function = function.func
    gpu_steps.demand_launch(function)
    if gpu_steps.is_launch(function):
        return gpu_steps.step_launch(function, arguments)
    if gpu_steps.is_of_gpu(function):
        return gpu_steps.step_function(function, arguments, options)
    python = function.py_func if kernels.is_kernel(function) else function
    if not isinstance(python, FunctionType):
        if not callable(function):  # such as the function's result
            kind = demands.described(function)
            raise TypeError(f"step: this is {kind}; pass the function itself: step(f, x, …)")
        kind = type(function).__name__
        name = getattr(function, "__name__", "this")
        raise TypeError(f"step: {name} is a {kind}; expected a Python function")
    try:
        bound = inspect.signature(python).bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"step: {python.__name__} cannot be called like this: {error}") from None
    return Steps(function, python, bound)


def backward_of(function):
    """Return x_backward for x_forward, and backward for forward, from the same module."""
    name = function.__name__
    module = sys.modules.get(function.__module__)
    scope = {**vars(module)} if module else {}
    scope |= getattr(function, "__globals__", {})
    backward = scope.get(name.replace("forward", "backward"))
    if "forward" not in name or backward is None:
        raise ValueError(
            f"step: {name} has no backward; expected a function called x_forward with an "
            "x_backward in the same file"
        )
    return backward


def network_backward(layers, dy, caches):
    """Return (dx,) of net.backward; the arguments dy and caches stand in a layer's order."""
    return net.backward(layers, caches, dy)[:1]


class Steps:
    """The steps of one run; the module's docstring lists what they offer."""

    def __init__(self, function, python, bound):
        self.function, self._python, self._bound = function, python, bound
        self._forward = self._dy = None  # of a backward pass: the forward Steps, and dy
        self._arguments = Arguments(bound)
        self._record = self._run(bound)

    def _run(self, bound, wanted=None):
        """Return the Record of a run that keeps the `wanted` iterations."""
        record = Record(wanted)
        opened = kernels.opened(self.function, record)
        run(record, opened, self._python.__code__, bound.args, bound.kwargs)
        return record

    def _again(self, wanted):
        """Return the Record of another run with the original arguments."""
        return self._run(self._arguments.bound("turn"), self._record.wanted | wanted)

    @property
    def result(self):
        """The function's result.  If it raised an exception, that is raised here."""
        if self._record.error is not None:
            raise self._record.error
        return self._record.result

    def backward(self, dy=None, **options):
        """Return the Steps of the backward pass, which uses the cache of this forward pass.

        Parameters
        ----------
        dy : array, optional
            ∂L/∂y.  A loss needs none.

        Raises
        ------
        ValueError
            If dy is missing, or there is no backward function in the same module.
        TypeError
            If forward did not return a pair (y, cache).
        Exception
            If forward raised one.
        """
        backward = backward_of(self.function)
        name = self.function.__name__
        y, cache = demands.demand_pair(f"backward: {name}", self.result)
        if dy is None and np.ndim(y):
            raise ValueError(nudge.MISSING.format("backward", np.shape(y)))
        given = () if dy is None else (dy,)
        if self.function is net.forward:
            steps = step(backward, self._bound.arguments["layers"], cache, *given, **options)
        else:
            steps = step(backward, *given, cache, **options)
        steps._forward, steps._dy = self, copy.deepcopy(dy)
        return steps

    def turn(self, line, number):
        """Return Steps that begin in an iteration of a loop; the function runs again to record it.

        For nested loops, give the outer iteration first: steps.turn(24, 3).turn(28, 50).

        Parameters
        ----------
        line : int
            The line number of the loop's head, in the function or in one that it calls.
        number : int
            The iteration; the first is 1.

        Raises
        ------
        TypeError
            If the line or the number is not a whole number.
        ValueError
            If there is no such loop or iteration, it is beyond the first ten million lines of a
            kernel, or an argument that was too large to copy has changed.
        """
        for name, value in (("line", line), ("iteration", number)):
            if not isinstance(value, (int, np.integer)):
                raise TypeError(
                    f"turn: the {name} is {described(value)}; expected whole numbers: turn(34, 57)"
                )
        loops = [loop for loop in self._record.loops if loop.line == line]
        if not loops:
            others = navigation.loop_lines(self._record)
            raise ValueError(f"turn: no loop begins in line {line}; {others}")
        if not any(navigation.has_turn(loop, number) for loop in loops):
            most = max(loop.total for loop in loops)
            raise ValueError(
                f"turn: the loop in line {line} has {most:,} iterations; there is no {number:,}"
            )
        steps = copy.copy(self)
        steps._record = self._again({line: number})
        first = navigation.first_step_in(steps._record, [(line, number)])
        if first is None:
            reason = navigation.why_unreached(steps._record)
            raise ValueError(f"turn: iteration {number:,} of line {line} {reason}")
        steps._record.start = first.number
        return steps

    def touch(self, name, index, dy=None):
        """Compare one entry of the gradient with a finite difference.

        Parameters
        ----------
        name : str
            An argument, such as "x", "w" or "b"; "dw" means "w".  Only "x" for net.forward, whose
            parameters gradcheck.check_network checks.
        index : tuple of int
            The index of the entry.
        dy : array, optional
            The weights in L = Σ y·dy.  A loss needs none; in a backward pass the default is the dy
            that it started from.

        Returns
        -------
        Touch
            `.numeric`, `.analytic`, `.difference`, `.kink`, `.wrong`; print it.

        Raises
        ------
        ValueError
            If the name, the index or dy does not fit.
        TypeError
            If the name is not a string, or forward did not return a pair (y, cache).
        """
        if self._forward:
            return self._forward.touch(name, index, self._dy if dy is None else dy)
        return nudge.nudge_entry(*self._layer(), name, index, dy)

    def _layer(self):
        """Return forward, backward, and the arguments of forward."""
        backward = backward_of(self.function)
        if self.function is net.forward:
            backward = functools.partial(network_backward, self._bound.arguments["layers"])
        return self.function, backward, self._arguments.before

    def _floats(self):
        """Return the names of the arguments that have a gradient."""
        arguments = self._bound.arguments.items()
        return [name for name, value in arguments if nudge.is_float(value)]

    def _touched(self):
        """Return {"x": the Touches of all its entries, or None} for the page of a backward pass."""
        if not self._forward or self._record.error:
            return {}
        try:
            touches = nudge.nudge_all(*self._forward._layer(), self._dy)
        except Exception:  # the function may not accept float64; steps.touch will say why
            touches = {}
        return {name: touches.get(name) for name in self._forward._floats()}

    def _pairs(self):
        """Return {line of backward: the code of the forward lines that it undoes}."""
        if self._forward is None:
            return {}
        forward, backward = self._forward._record.frames[0].source, self._record.frames[0].source
        return {
            line: [pairs.text_of(forward, forward.statements[other]) for other in others]
            for line, others in pairs.pairs(forward, backward).items()
        }

    def _forward_values(self):
        """Return the final values of forward's variables; {} for a forward pass itself."""
        return navigation.last_values(self._forward._record) if self._forward else {}

    def show(self, pause=input):
        """Walk through the steps in a terminal.

        Parameters
        ----------
        pause : function or None
            Called with a prompt after every step, like `input`; it returns a command.  Enter goes
            on, past checks and unpacked shapes; s goes to the very next line; b goes back, o opens
            the line's call, u leaves it, t 5 goes to iteration 5 of the loop, r runs on without
            stopping, and q or Ctrl-C quits.  In a backward pass,
            w[0, 1, 2, 2] compares that entry's gradient with a finite difference.  With None,
            nothing stops.  The function runs again for an iteration that was not kept.
        """
        touch, forward = self.touch if self._forward else None, self._forward_values()
        terminal_session.show(self._record, pause, self._pairs(), forward, self._again, touch)

    def _arrays(self):
        """Return {"y": Shot or Row} of the arrays returned, named as in the `return` line."""
        returned = self._record.result
        parts = returned if isinstance(returned, tuple) else (returned,)
        names = [f"d{name}" for name in self._forward._floats()] if self._forward else []
        if len(names) != len(parts):
            names = source.returned_names(self._record.frames[0].source)
        names = names if len(names) == len(parts) else [""] * len(parts)
        taken = ("", *self._record.frames[0].arguments)  # two cards must not have the same name
        names = [f"result[{n}]" if name in taken else name for n, name in enumerate(names)]
        looks = {name: self._record.look(part) for name, part in zip(names, parts, strict=True)}
        arrays = {name: shot for name, shot in looks.items() if not isinstance(shot, Text)}
        last = [step for step in self._record.steps if step.frame == 0][-1]
        if arrays and not last.links:
            links = provenance.call_links(self.function, self._arguments.before, returned)
            last.links = {names[0]: links["result"]} if links else {}
        return arrays

    def _repr_html_(self):
        forward = self._forward._record if self._forward else None
        arrays, touched = self._arrays(), self._touched()
        return page.steps_html(self._record, self._pairs(), forward, arrays, touched)

    def save(self, path):
        """Write a self-contained web page, whole or not at all, and return its path.

        Parameters
        ----------
        path : path
            The file; ".html" is added if the name does not end in it.

        Raises
        ------
        OSError
            If the path is a folder or cannot be written.
        """
        return page.write_page(path, navigation.title(self._record), self._repr_html_())

    def __str__(self):
        return terminal.text(self._record, pairs=self._pairs(), forward=self._forward_values())

    __repr__ = __str__
