"""The description of a network in our own weight files: a few plain values, as JSON.  And lists of
class names in text files.

    network                 its name, one of catalogue.NETWORKS, such as "alexnet"
    classes                 the names of its classes, such as ["cat", "dog"]
    size                    width and height of its inputs, such as 224
    test_width              the width to rescale images to before testing, if it is not their own
    nonlinearity, dropout   only if the run changed them
    mean, deviation         only for torchvision, as for its Normalize: red, green, blue, 0 … 1

These are the settings of a run that `catalogue.build_described` needs.  A .safetensors file has the
text in its metadata, and an .npz file has it in an array of bytes, `about`.  A reader that does not
know the description can still read the weights.
"""

import codecs
import json
from pathlib import Path

from ..checks import is_class_name

NAMES = "network classes size test_width nonlinearity dropout".split()
FOR_TORCHVISION = ["mean", "deviation"]
MOST_BYTES = 1 << 24  # of a list of classes
BOMS = {  # how Windows begins a text → its encoding
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def from_settings(settings, networks):
    """Return the description in a run's settings; {} if its network is not among `networks`."""
    needed = ("network", "classes", "size")
    if any(name not in settings for name in needed) or settings["network"] not in networks:
        return {}
    return {name: settings[name] for name in NAMES if settings.get(name) is not None}


def parse(text, wrong_description):
    """Return the description in a file, after checking every value.

    Parameters
    ----------
    text : str or bytes
        From the file, so it may be anything.
    wrong_description : function
        catalogue.wrong_description.

    Raises
    ------
    ValueError
        If it is not a valid description; the message names the wrong value.
    """
    try:
        about = json.loads(text)
    except (RecursionError, TypeError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise ValueError("its description of the network is not a JSON dictionary")
    wrong = wrong_description(about)
    if not wrong and not all(map(is_class_name, about["classes"])):
        wrong = f"classes has {next(ascii(n) for n in about['classes'] if not is_class_name(n))}"
    for name in FOR_TORCHVISION:
        if not wrong and not are_colours(about.get(name)):
            wrong = f"{name} is {about[name]!r:.80}; expected three numbers of 0 … 1"
    if wrong:
        raise ValueError(f"its description of the network is invalid: {wrong}")
    return {name: about[name] for name in NAMES + FOR_TORCHVISION if about.get(name) is not None}


def read_classes(path):
    """Return the names in a text file of one class per line, as a list.

    The text is UTF-8, or UTF-16 with the mark with which Windows begins it.  Empty lines at the end
    do not count.

    Raises
    ------
    ValueError
        If it is not such a text; the message names the line.
    OSError
        If it cannot be read.
    """
    with open(Path(path), "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is too large for a list of classes: over {MOST_BYTES:,} bytes")
    bom = next((bom for bom in BOMS if data.startswith(bom)), b"")
    data = data.removeprefix(bom)
    try:
        text = data.decode(BOMS.get(bom, "utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}, is not text in UTF-8; save the list of classes as UTF-8"
        ) from None
    names = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while names and not names[-1].strip():
        names.pop()
    if not names:
        raise ValueError(f"{path} is empty; expected the name of one class per line")
    for line, name in enumerate(names, start=1):
        if not name.strip():
            raise ValueError(f"{path}, line {line}, is empty; expected the name of a class")
        if not is_class_name(name):
            raise ValueError(
                f"{path}, line {line}, is {ascii(name[:40])}; expected the name of a class, "
                "without control characters"
            )
    return names


def are_colours(value):
    """Return whether a value is None or a list of three numbers, 0 … 1."""
    numbers = isinstance(value, list) and all(type(v) in (int, float) for v in value)
    return value is None or (numbers and len(value) == 3 and all(0 <= v <= 1 for v in value))
