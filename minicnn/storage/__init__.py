"""What runs leave on the disk: checkpoints, journals, and other files, whole or not at all.

    checkpoints.py    a run's state in one .npz file:
                      arrays: name → array         parameters, velocities, order of the images, …
                      facts: name → plain value    position, random state, history, settings
    arrays.py         the arrays of an .npz file
    facts.py          plain values as JSON, in a text or a line each
    files.py          how a file is written, and what it may replace

Whatever happens, either the old file or the new one exists and is complete.  Nothing is ever
unpickled, so a file from a stranger may be refused but cannot run code.
"""
# ruff: noqa: F401  imported for the users of this package

from .arrays import check_array, npy_header, read_arrays
from .checkpoints import TRAINED, check_finite, copy_into, load, load_network, save
from .facts import (
    as_json,
    list_of,
    number,
    optional,
    parse_json,
    plain,
    read_lines,
    shortened,
    text,
    truth,
    whole,
    write_lines,
    wrong_fact,
)
from .files import (
    Kind,
    check_output,
    full_disk,
    make_folder,
    only_writer,
    write_bytes,
    write_text,
    write_whole,
)
