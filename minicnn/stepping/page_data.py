"""Every text and every array of a page, once; what stands in the page is in page.py's words.

An array has its numbers there if it is small, else its picture in 8 bits.  With a minus among its
entries these go from 1 to 255, and 128 is 0; else 1 is 0; and 0 is for what is not finite.
"""

import base64
import math

import numpy as np

from .values import EXACT, Row, Shot, Text, caption, digits, is_photograph, row_caption, thinned


class Store:
    """Every text and every array of a page, once."""

    def __init__(self, records, exact=(EXACT, EXACT), pixels=math.inf):
        self.exact = exact  # entries and columns; an array of no more has its numbers in the page
        self.pixels = pixels  # of a picture
        self.values, self.ranges, self.names, self.kins = [], {}, {}, {}
        self.known = {}  # the number of what is there already
        for record in records:
            for frame in record.frames:
                self.widen([*frame.arguments.values(), frame.returned])
            for step in record.steps:
                self.widen([*step.changed.values(), *step.before.values()])

    def widen(self, values):
        """Let the ranges hold these arrays."""
        for shot in values:
            if isinstance(shot, Row):
                self.widen(shot.shots)
            elif isinstance(shot, Shot) and shot.bad < np.prod(shot.shape, dtype=int):
                kin = self.kin(shot)
                lo, hi = self.ranges.get(kin, (shot.lo, shot.hi))
                self.ranges[kin] = min(lo, shot.lo), max(hi, shot.hi)

    def kin(self, shot):
        """Return a small number for whose memory an array uses."""
        return self.kins.setdefault(shot.kin, len(self.kins))

    def name(self, name):
        """Return the number of a name."""
        return self.names.setdefault(name, len(self.names))

    def links(self, links):
        """Return {output: {input: number in `values`}}: many lines have the same links."""
        found = {}
        for output, inputs in links.items():
            found[output] = {name: self.id(Text(bits)) for name, bits in inputs.items()}
        return found

    def ids(self, named):
        """Return name, value, name, value, … as numbers."""
        return [n for name, value in named.items() for n in (self.name(name), self.id(value))]

    def id(self, value):
        """Return the number of a value in `values`; put it there if it is new."""
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
        """Return what stands in `values` for a value."""
        if isinstance(value, Row):
            shape = [len(value.shots), *value.shots[0].shape]
            return {"row": list(map(self.id, value.shots)), "s": shape, "c": row_caption(value)}
        return self.array(value) if isinstance(value, Shot) else {"text": value.text}

    def array(self, shot):
        kin = self.kin(shot)
        while not shot.exact and shot.panels.size > self.pixels:
            shot = thinned(shot)
        self.ranges.setdefault(kin, (0, 0))
        found = {
            "s": shot.shape,
            "c": caption(shot),
            "p": shot.panels.shape,
            "e": shot.every,
            "k": kin,
        }
        if is_photograph(shot):
            found["rgb"] = 1
        entries, columns = self.exact
        if shot.exact and shot.panels.size <= entries and shot.panels.shape[-1] <= columns:
            return found | {"v": self.numbers(shot)}
        return found | {"q": base64.b64encode(self.bytes(shot)).decode()}

    def numbers(self, shot):
        """Return the entries of an array, with four digits or more."""
        count = digits(shot)
        return [rounded(value, count) for value in shot.panels.reshape(-1).astype(float).tolist()]

    def bytes(self, shot):
        """Return the entries of an array's picture, a byte each; 0 is for NaN."""
        values = shot.panels.reshape(-1).astype(float)
        lo, hi = self.ranges[self.kin(shot)]
        zero, scale = (128, 127 / max(-lo, hi)) if lo < 0 else (1, 254 / (hi or 1))
        codes = zero + np.round(scale * values)
        return np.where(np.isfinite(values), codes.clip(1, 255), 0).astype(np.uint8).tobytes()


def rounded(value, digits):
    """Return a number with so many digits, whole if it is; ∞ is a text, and NaN is None."""
    if not math.isfinite(value):
        return None if math.isnan(value) else "∞" if value > 0 else "−∞"
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e9 else short
