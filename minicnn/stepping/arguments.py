"""The arguments of a call as they were before it, so that it can be called once more.

A function may change what it is given: a generator draws, an update writes into w.  So arrays and
generators are copied, wherever they stand in tuples, lists and dicts, and what was one stays one.
Of an array with more than LARGE entries only a fingerprint is kept.
"""

import copy

import numpy as np

from .fingerprint import LARGE, fingerprint


class Arguments:
    """The arguments of one call; `bound` is what inspect's bind made of them."""

    def __init__(self, bound):
        self.large = {}  # id: the array and its fingerprint
        self.before = self.copied(bound)

    def bound(self, who):
        """Return them anew, for one call.

        Raises
        ------
        ValueError
            If an array that is too large for a copy is not what it was.
        """
        for array, before in self.large.values():
            if fingerprint(array) != before:
                raise ValueError(
                    f"{who}: an argument of shape {array.shape} has changed since the first call, "
                    "and is too large to keep a copy of; expected it as it was"
                )
        return self.copied(self.before)

    def copied(self, bound):
        """Return the same call with arguments of its own."""
        known, one = {}, copy.copy(bound)
        one.arguments = {name: self.copy(value, known) for name, value in bound.arguments.items()}
        return one

    def copy(self, value, known):
        """Return a value with copies of the arrays and generators in it; known is {id: copy}."""
        if id(value) in known:
            return known[id(value)]
        if isinstance(value, np.ndarray) and value.size > LARGE:
            self.large.setdefault(id(value), (value, fingerprint(value)))
        elif isinstance(value, (np.ndarray, np.random.Generator)):
            known[id(value)] = copy.deepcopy(value)
        elif type(value) is dict:
            known[id(value)] = {key: self.copy(one, known) for key, one in value.items()}
        elif type(value) in (list, tuple):
            known[id(value)] = type(value)(self.copy(one, known) for one in value)
        elif hasattr(value, "_fields"):  # a row of a network
            known[id(value)] = type(value)(*(self.copy(one, known) for one in value))
        return known.get(id(value), value)
