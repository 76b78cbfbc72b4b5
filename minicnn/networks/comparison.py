"""Two networks side by side: what differs, layer by layer, and where that is written.

    python -m minicnn summary alexnet --beside alexnet-source

Layers are compared by name.  Options that a table leaves out count with their defaults.  Initial
weights are measured: each network is built with random numbers that are all 1, so every weight is
the standard deviation that it is drawn with.

    facts       {layer: {what: text}} of a network, in its order
    layer       a layer's name; or "images", first, and "recipe", last
    what        "layer", its kind, options and place, for a layer that only one network has; "comes
                after", for one that is in another place; "kernels", "initial weights" and so on; or
                the name of an option
    one, other  the texts of the two networks, "–" for a missing one
"""

import inspect
from collections import namedtuple
from difflib import SequenceMatcher

import numpy as np

from .. import reference
from ..console import aligned
from ..net import columns, count_parameters, kind_of
from . import alexnet, catalogue
from .summary import described, measure, output_text, text_of

Difference = namedtuple("Difference", "layers what one other")


class Ones(np.random.Generator):
    """A generator whose random numbers are all 1; networks draw with standard_normal alone."""

    def standard_normal(self, shape, dtype):
        return np.ones(shape, dtype)


def comparison(*names, **options):
    """Return the differences of two networks as text.

    Below a difference of `alexnet-source` that the original code explains stand the paper's section
    and the file of the code.

    Parameters
    ----------
    *names : str
        Two names of the catalogue.
    **options
        Options of both networks' functions, such as classes.
    """
    networks = [catalogue.build(n, reference, Ones(np.random.PCG64()), **options) for n in names]
    found = differences(*map(facts_of, names, networks))
    counts = [
        f"{name}: {count_parameters(layers):,} parameters"
        for name, layers in zip(names, networks, strict=True)
    ]
    if not found:
        return f"{'; '.join(counts)}\n\nThey have the same layers, initial weights and recipe."
    table = aligned([("", "", *names), *((", ".join(d.layers), *d[1:]) for d in found)])
    lines = ["; ".join(counts), "", table[0], "-" * max(map(len, table))]
    for difference, line in zip(found, table[1:], strict=True):
        lines += [line, *(source_lines(difference) if "alexnet-source" in names else [])]
    return "\n".join(lines)


def facts_of(name, layers):
    """Return the facts of a network, which is in the catalogue under this name."""
    size, below = catalogue.find(name).size, "images"
    facts = {below: {"pixels": f"{size}×{size}"}}
    for layer, measured in zip(layers, measure(layers, (3, size, size)), strict=True):
        place = {"layer": f"{described(layer)}, after {below}", "comes after": below}
        defaults = inspect.signature(layer.forward).parameters.values()
        options = {p.name: p.default for p in defaults if p.default is not p.empty} | layer.options
        options = {option: text_of(value) for option, value in options.items() if option != "rng"}
        facts[layer.name] = {**place, "kind": kind_of(layer), **options}
        if layer.params:
            w, b = (columns(layer.params[letter]) for letter in "wb")
            facts[layer.name] |= {
                "kernels": output_text([half.shape for half in w]),
                "output": output_text(measured.output),
                "initial weights": f"N(0, {w[0].flat[0]:.3g}²)",
                "initial biases": f"{b[0].flat[0]:.3g}",
            }
        below = layer.name
    recipe = catalogue.find(name).recipe | catalogue.find(name).schedule
    if isinstance(recipe["decay"], dict):
        recipe |= {f"decay of {layer}": decay for layer, decay in recipe.pop("decay").items()}
    return {**facts, "recipe": {option: text_of(value) for option, value in recipe.items()}}


def differences(one, other):
    """Return the Differences of two networks' facts; layers that differ alike share one."""
    common = [name for name in other if name in one], [name for name in one if name in other]
    blocks = SequenceMatcher(None, *common, autojunk=False).get_matching_blocks()
    unmoved = {name for block in blocks for name in common[0][block.a : block.a + block.size]}
    groups = {}
    for name in merged(one, other):
        mine, theirs = one.get(name, {}), other.get(name, {})
        ignored = {"comes after"} if name in unmoved else set()
        compared = (mine | theirs).keys() - {"layer"} - ignored if mine and theirs else {"layer"}
        for what in [what for what in mine | theirs if what in compared]:
            texts = mine.get(what, "–"), theirs.get(what, "–")
            if texts[0] != texts[1]:
                groups.setdefault((what, *texts), []).append(name)
    return [Difference(layers, *rest) for rest, layers in groups.items()]


def merged(one, other):
    """Return the layers of both networks; those of the other alone come after its layer before."""
    names = list(one)
    for below, name in zip(["images", *other], other, strict=False):
        if name not in names:
            names.insert(names.index(below) + 1, name)
    return names


def source_lines(difference):
    """Return, as a list of lines, where a difference of alexnet-source is written."""
    return [
        f"    {paper}; {file}: {code}"
        for layers, what, paper, code, file in alexnet.SOURCES
        if what == difference.what and set(difference.layers) <= set(layers.split())
    ]
