"""What our own files of weights say of their network: a few plain values, as a text of JSON.

    network                 its name, one of catalogue.NETWORKS
    classes                 the names of its classes
    size                    the width and height of what it sees
    test_width              what images are rescaled to before, if not their own width
    nonlinearity, dropout   where the run had others than the table

They are those of a run's settings that `catalogue.build_described` needs.  A .safetensors file has
the text in its metadata, an .npz file in an array of bytes, `about`; a reader that does not know of
it finds the weights all the same.
"""

import json

NAMES = "network classes size test_width nonlinearity dropout".split()
MOST_PIXELS = 4096


def of_settings(settings, networks):
    """Return what the settings of a run say; {} if their network is none of these."""
    needed = ("network", "classes", "size")
    if any(name not in settings for name in needed) or settings["network"] not in networks:
        return {}
    return {name: settings[name] for name in NAMES if settings.get(name) is not None}


def parse(text, networks, nonlinearities):
    """Return what a file says, after seeing that it can be so.

    Parameters
    ----------
    text : str or bytes
        Of anything: it comes from the file.
    networks, nonlinearities : lists of str
        The names that can be.

    Raises
    ------
    ValueError
        If it is not such a description; the message says where.
    """
    try:
        about = json.loads(text)
    except (RecursionError, TypeError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise ValueError("what it says of its network is no JSON dictionary")
    right = {
        "network": lambda value: value in networks,
        "nonlinearity": lambda value: value is None or value in nonlinearities,
        **RIGHT,
    }
    for name, is_right in right.items():
        if not is_right(about.get(name)):
            found = repr(about.get(name))[:80]
            raise ValueError(f"what it says of its network cannot be: {name} is {found}")
    return {name: about[name] for name in NAMES if about.get(name) is not None}


def are_names(value):
    """Return whether it is a list of names that can be printed."""
    return isinstance(value, list) and all(isinstance(v, str) and v.isprintable() for v in value)


def is_width(value):
    return type(value) is int and 1 <= value <= MOST_PIXELS


def is_chance(value):
    return type(value) in (int, float) and 0 <= value < 1


RIGHT = {
    "classes": lambda value: are_names(value) and value,
    "size": is_width,
    "test_width": lambda value: value is None or is_width(value),
    "dropout": lambda value: value is None or is_chance(value),
}
