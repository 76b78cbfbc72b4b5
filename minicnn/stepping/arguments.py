"""Copies of a call's arguments, so that the same call can be run again.

A function may change its arguments: a generator advances, an update writes into w.  So arrays and
generators are copied, also inside tuples, lists and dicts.  Two references to one array become two
references to one copy.  An array with more than LARGE entries is not copied; its fingerprint shows
whether it has changed.
"""

import copy

import numpy as np

from .fingerprint import LARGE, fingerprint


class Arguments:
    """The arguments of one call, given as inspect.BoundArguments."""

    def __init__(self, bound):
        self.large = {}  # {id: (array, fingerprint)}
        self.before = self.copied(bound)

    def bound(self, who):
        """Return fresh copies for one call; `who` begins an error message.

        Raises
        ------
        ValueError
            If an array that is too large to copy has changed.
        """
        for array, before in self.large.values():
            if fingerprint(array) != before:
                raise ValueError(
                    f"{who}: an argument of shape {array.shape} has changed since the first call; "
                    "it is too large for a copy to be kept, so it must stay unchanged"
                )
        return self.copied(self.before)

    def copied(self, bound):
        """Return the same call with copied arguments."""
        known, call = {}, copy.copy(bound)
        call.arguments = {name: self.copy(value, known) for name, value in bound.arguments.items()}
        return call

    def copy(self, value, known):
        """Return a value whose arrays and generators are copied; `known` is {id: copy}."""
        if id(value) in known:
            return known[id(value)]
        if isinstance(value, np.ndarray) and value.size > LARGE:
            self.large.setdefault(id(value), (value, fingerprint(value)))
        elif isinstance(value, (np.ndarray, np.random.Generator)):
            known[id(value)] = copy.deepcopy(value)
        elif type(value) is dict:
            known[id(value)] = {key: self.copy(part, known) for key, part in value.items()}
        elif type(value) in (list, tuple):
            known[id(value)] = type(value)(self.copy(part, known) for part in value)
        elif hasattr(value, "_fields"):  # a layer of a network
            known[id(value)] = type(value)(*(self.copy(part, known) for part in value))
        return known.get(id(value), value)
