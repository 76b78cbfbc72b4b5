"""The description of a network in our own weight files: a few plain values, as JSON.

    network                 its name, one of catalogue.NETWORKS, such as "alexnet"
    classes                 the names of its classes, such as ["cat", "dog"]
    size                    width and height of its inputs, such as 224
    test_width              the width to rescale images to before testing, if it is not their own
    nonlinearity, dropout   only if the run changed them

These are the settings of a run that `catalogue.build_described` needs.  A .safetensors file has the
text in its metadata, and an .npz file has it in an array of bytes, `about`.  A reader that does not
know the description can still read the weights.
"""

import json

NAMES = "network classes size test_width nonlinearity dropout".split()
MOST_PIXELS = 4096


def from_settings(settings, networks):
    """Return the description in a run's settings; {} if its network is not among `networks`."""
    needed = ("network", "classes", "size")
    if any(name not in settings for name in needed) or settings["network"] not in networks:
        return {}
    return {name: settings[name] for name in NAMES if settings.get(name) is not None}


def parse(text, networks, nonlinearities):
    """Return the description in a file, after checking every value.

    Parameters
    ----------
    text : str or bytes
        From the file, so it may be anything.
    networks, nonlinearities : lists of str
        The valid names.

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
    valid = {
        "network": lambda value: value in networks,
        "nonlinearity": lambda value: value is None or value in nonlinearities,
        **VALID,
    }
    for name, is_valid in valid.items():
        if not is_valid(about.get(name)):
            value = repr(about.get(name))[:80]
            raise ValueError(f"its description of the network is invalid: {name} is {value}")
    return {name: about[name] for name in NAMES if about.get(name) is not None}


def are_names(value):
    """Return whether a value is a list of printable names."""
    return isinstance(value, list) and all(isinstance(v, str) and v.isprintable() for v in value)


def is_width(value):
    return type(value) is int and 1 <= value <= MOST_PIXELS


def is_chance(value):
    return type(value) in (int, float) and 0 <= value < 1


VALID = {
    "classes": lambda value: are_names(value) and value,
    "size": is_width,
    "test_width": lambda value: value is None or is_width(value),
    "dropout": lambda value: value is None or is_chance(value),
}
