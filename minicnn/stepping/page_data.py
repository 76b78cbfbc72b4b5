"""The texts and arrays of a page, each stored once; page.py describes the format.

A small array is stored as numbers, a larger one as a picture: a byte for each entry, its code.
Code 0 stands for an entry that is not finite.  Codes 1 to 255 are linear in the entry.  Zero has
code 128 if some array in the same memory has a negative entry, else code 1.
"""

import base64
import math

import numpy as np

from .values import EXACT, Row, Shot, Text, caption, digits, row_caption, thinned


class Store:
    """The texts and arrays of a page, each stored once."""

    def __init__(self, records, exact=(EXACT, EXACT), pixels=math.inf):
        self.exact = exact  # the most entries and columns of an array stored as numbers
        self.pixels = pixels  # the most pixels of a picture
        self.values, self.ranges, self.names, self.kins = [], {}, {}, {}
        self.known = {}  # {value: its number in `values`}
        for record in records:
            for frame in record.frames:
                self.widen([*frame.arguments.values(), frame.returned])
            for step in record.steps:
                self.widen([*step.changed.values(), *step.before.values()])

    def widen(self, values):
        """Widen the ranges to include the entries of these arrays."""
        for shot in values:
            if isinstance(shot, Row):
                self.widen(shot.shots)
            elif isinstance(shot, Shot) and shot.bad < np.prod(shot.shape, dtype=int):
                kin = self.kin(shot)
                lo, hi = self.ranges.get(kin, (shot.lo, shot.hi))
                self.ranges[kin] = min(lo, shot.lo), max(hi, shot.hi)

    def kin(self, shot):
        """Return the number that stands for the memory of an array."""
        return self.kins.setdefault(shot.kin, len(self.kins))

    def name(self, name):
        """Return the number of a name; add it if it is new."""
        return self.names.setdefault(name, len(self.names))

    def links(self, links):
        """Return {output: {input: number in `values`}}: many lines share the same links."""
        return {
            output: {name: self.id(Text(bits)) for name, bits in inputs.items()}
            for output, inputs in links.items()
        }

    def ids(self, named):
        """Return {name: value} as a flat list of numbers: name, value, name, value, …"""
        return [n for name, value in named.items() for n in (self.name(name), self.id(value))]

    def id(self, value):
        """Return the number of a value in `values`; add it if it is new."""
        key = value
        if isinstance(value, Row):
            key = tuple(map(self.id, value.shots))
        elif isinstance(value, Shot):
            key = value._replace(panels=value.panels.tobytes(), lo=repr(value.lo))
        if key not in self.known:
            self.known[key] = len(self.values)
            self.values.append(self.entry(value))
        return self.known[key]

    def entry(self, value):
        """Return the entry of `values` for a value."""
        if isinstance(value, Row):
            shape = [len(value.shots), *value.shots[0].shape]
            return {"row": list(map(self.id, value.shots)), "s": shape, "c": row_caption(value)}
        return self.array(value) if isinstance(value, Shot) else {"text": value.text}

    def array(self, shot):
        kin = self.kin(shot)
        while not shot.exact and shot.panels.size > self.pixels:
            shot = thinned(shot, self.pixels)
        self.ranges.setdefault(kin, (0, 0))
        fields = {
            "s": shot.shape,
            "c": caption(shot),
            "p": shot.panels.shape,
            "e": shot.every,
            "k": kin,
        }
        if shot.rgb is not None:
            fields["rgb"] = shot.rgb
        entries, columns = self.exact
        if shot.exact and shot.panels.size <= entries and shot.panels.shape[-1] <= columns:
            return fields | {"v": self.numbers(shot)}
        return fields | {"q": base64.b64encode(self.bytes(shot)).decode()}

    def numbers(self, shot):
        """Return the entries of an array, rounded to four digits or more."""
        count = digits(shot)
        return [rounded(value, count) for value in shot.panels.reshape(-1).astype(float).tolist()]

    def bytes(self, shot):
        """Return the picture of an array, a byte for each entry, with 0 for NaN and infinities."""
        values = shot.panels.reshape(-1).astype(float)
        lo, hi = self.ranges[self.kin(shot)]
        zero, scale = (128, 127 / max(-lo, hi)) if lo < 0 else (1, 254 / (hi or 1))
        codes = zero + np.round(scale * values)
        return np.where(np.isfinite(values), codes.clip(1, 255), 0).astype(np.uint8).tobytes()


def rounded(value, digits):
    """Return a number rounded to `digits` digits: an int if whole, None for NaN, "∞" or "−∞"."""
    if not math.isfinite(value):
        return None if math.isnan(value) else "∞" if value > 0 else "−∞"
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e9 else short
