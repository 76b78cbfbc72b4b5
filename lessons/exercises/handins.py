"""What learners have handed in: Python files and notebooks, in folders and zips, of one or a class.

    owner    whose it is: a student's name, or "" for the learner's own files
    HandIn   owner; file: its path for people, "anna.zip: hw/relu.py"; path: the file on this
             machine; fault: why it cannot be read, in a sentence, or None

    FOLDER or class.zip          each of these is one student's:
        Anna Bell_123_assignsubmission_file_/    a folder, named by Moodle or not
        ben.zip                                  a zip
        carlsson_LATE_45_67_homework.py          a file, named by Canvas
        dora.ipynb                               a file of any other name
        relu_backward.py                         the learner's own: it has an exercise's name

A zip may be hostile: nothing is written outside the scratch folder, links and encrypted entries are
left out, and MOST_ENTRIES and MOST_BYTES bound one student's zips, whatever their headers say.
"""

import os
import pathlib
import re
import shutil
import stat
import zipfile
from collections import namedtuple
from types import SimpleNamespace

from .catalogue import BY_NAME
from .notebook import LARGEST
from .sandbox import one_line

HandIn = namedtuple("HandIn", "owner file path fault")

MOST_FILES = 200  # Python files, notebooks and zips of one student
MOST_ENTRIES, MOST_BYTES = 5000, 50 * 10**6  # of one student, in all zips together
CLASS = 100  # a zip of a whole class may hold this many times as much
DEEPEST = 3  # zips inside each other
MOST_FOLDERS = 20  # folders inside each other
TAKEN = (".py", ".ipynb")
OTHER_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz")
SKIPPED = {"__MACOSX", "__pycache__", "node_modules", "site-packages", "venv"}
MOODLE = re.compile(r"(.+?)_(\d+)_assignsubmission_(?:file|onlinetext)_?(.*)")
CANVAS = re.compile(r"([^_]+)_(?:LATE_)?(\d+)_\d+_(.+)")


class TooLarge(Exception):
    """A zip holds more than a student may hand in; the message says of what."""


def hand_ins(path, scratch, owner=None, of_one=False):
    """Return the HandIns of a file, a folder or a zip.

    Parameters
    ----------
    path : path
    scratch : path
        An empty folder, for what comes out of zips.
    owner : str or None
        Whose all of it is; None: it may be a class's.
    of_one : bool
        Whether files that lie in a folder or zip itself are of one student.
    """
    if not (path.is_dir() or is_zip(path)):
        return [HandIn(owner or "", str(path), path, None)]
    if owner is not None:
        return of_entry(path, owner, str(path), scratch)
    top, found = path, []
    if is_zip(path):
        top = scratch / "class"
        found = unpacked(path, top, limits(CLASS), str(path), "")
    folder = top
    next(folder.iterdir(), None)  # raises OSError if it cannot be read
    while len(entries := visible(folder)) == 1 and entries[0].is_dir() and is_class(entries[0]):
        (folder,) = entries  # a folder around the class's
    for number, (entry, who) in enumerate(zip(entries, owners_of(entries, of_one), strict=True)):
        label = str(entry) if top == path else f"{path}: {entry.relative_to(top).as_posix()}"
        found += of_entry(entry, who, label, scratch / str(number))
    return found


def owners_of(entries, of_one=False):
    """Return the owner of each entry of a class; two students of one name have their numbers."""
    owners = [owner_of(entry, of_one) for entry in entries]
    return [
        f"{who} ({number})" if number and len({o for o in owners if o[0] == who}) > 1 else who
        for who, number in owners
    ]


def is_zip(path):
    return path.suffix.lower() == ".zip" and path.is_file()


def visible(folder):
    """Return the entries of a folder that people see, sorted; none if it cannot be read."""
    try:
        wanted = filter(is_wanted, folder.iterdir())
        return sorted(wanted, key=lambda entry: (entry.name.casefold(), entry.name))
    except OSError:
        return []


def is_wanted(path):
    """Return whether a path is a learner's, and no copy of the library or of a package."""
    is_library = path.name in ("minicnn", "lessons") and (path / "__init__.py").exists()
    return not (path.name.startswith(".") or path.name in SKIPPED or is_library)


def is_class(folder):
    """Return whether a folder holds several students' folders and zips."""
    entries = visible(folder)
    many = [entry for entry in entries if entry.is_dir() or is_zip(entry)]
    names = [entry for entry in entries if MOODLE.fullmatch(entry.name)]
    return not is_of_one(folder) and (len(many) > 1 or bool(names))


def is_of_one(path):
    """Return whether a class system has given a folder or zip the name of one student."""
    return bool(MOODLE.fullmatch(path.name) or path.is_file() and CANVAS.fullmatch(path.name))


def owner_of(entry, of_one):
    """Return the name and the number of the student to whom an entry of a class belongs."""
    named = MOODLE.fullmatch(entry.name)
    if not named and entry.is_file():
        named = CANVAS.fullmatch(entry.name)
    if named:
        return named[1], named[2]
    if entry.is_dir() or is_zip(entry):
        return (entry.name if entry.is_dir() else entry.stem), ""
    is_own = of_one or entry.stem in BY_NAME or entry.suffix.lower() not in TAKEN
    return ("" if is_own else entry.stem), ""


def of_entry(entry, owner, label, scratch):
    """Return the HandIns of one student's folder, zip or file."""
    if entry.is_dir() or is_zip(entry):
        folder, before, budget, found = entry, f"{label}{os.sep}", limits(), []
        if not entry.is_dir():
            folder, before = scratch / "zip", f"{label}: "
            found = unpacked(entry, folder, budget, label, owner)
        found += inside(folder, owner, before, scratch, budget)
        if not found:
            names = ", ".join(path.name for path in visible(folder)[:3])
            fault = f"There is no .py or .ipynb file here{f', but {names}' if names else ''}."
            found = [HandIn(owner, label, None, fault)]
        return found
    if entry.suffix.lower() in TAKEN:
        return [HandIn(owner, label, entry, link_fault(entry, entry.parent))]
    return [HandIn(owner, label, None, unknown(entry))] if owner or is_archive(entry) else []


def is_archive(path):
    return path.suffix.lower() in OTHER_ARCHIVES


def unknown(path):
    """Return the sentence about a file that is neither Python nor a notebook."""
    if is_archive(path):
        return f"A {path.suffix} archive cannot be opened here; hand in a .zip."
    return "This is neither a .py file, nor a notebook, nor a .zip."


def inside(folder, owner, before, scratch, budget, depth=1):
    """Return the HandIns of all files in a folder, its subfolders and the zips in them.

    `before` is what stands before the path of a file in its label.
    """
    found = []

    def unreadable(error):
        found.append(
            HandIn(owner, f"{before}…", None, f"A folder cannot be read: {error.strerror}.")
        )

    for root, folders, files in os.walk(folder, onerror=unreadable):
        is_deep = len(pathlib.Path(root).relative_to(folder).parts) >= MOST_FOLDERS
        wanted = [name for name in folders if is_wanted(pathlib.Path(root, name)) and not is_deep]
        folders[:] = sorted(wanted)
        for path in (pathlib.Path(root, file) for file in sorted(files)):
            label, kind = f"{before}{path.relative_to(folder)}", path.suffix.lower()
            if not is_wanted(path) or not (kind in (*TAKEN, ".zip") or is_archive(path)):
                continue
            budget.files -= 1
            if budget.files < 0:
                fault = f"There are more than {MOST_FILES:,} files; the others were left out."
                return [*found, HandIn(owner, label, None, fault)]
            if fault := link_fault(path, folder):
                found.append(HandIn(owner, label, None, fault))
            elif kind in TAKEN:
                found.append(HandIn(owner, label, path, None))
            elif kind != ".zip":
                found.append(HandIn(owner, label, None, unknown(path)))
            elif depth == DEEPEST:
                found.append(HandIn(owner, label, None, "This zip lies too deep in other zips."))
            else:
                target = scratch / f"{budget.files}"
                found += unpacked(path, target, budget, label, owner)
                found += inside(target, owner, f"{label}: ", scratch, budget, depth + 1)
    return found


def link_fault(path, folder):
    """Return a sentence if a path is a link that leads out of its folder, or else None."""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        return "This is a link to a place outside its folder, and is not followed."
    return None


# Zips.


def limits(times=1):
    """Return how many files may still be handed in, and how many entries and bytes unpacked."""
    return SimpleNamespace(files=MOST_FILES, entries=times * MOST_ENTRIES, bytes=times * MOST_BYTES)


def unpacked(path, folder, budget, label, owner):
    """Unpack a zip into a new folder; return HandIns for what was left out.

    Entries that are neither Python nor notebooks nor zips are created empty: their names tell what
    was handed in.
    """
    folder.mkdir(parents=True)
    found = []
    try:
        if path.stat().st_size > budget.bytes:
            raise ValueError(f"it has more than {budget.bytes:,} bytes")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            budget.entries -= len(entries)
            if budget.entries < 0:
                raise ValueError("it has too many files")
            for entry in entries:
                shown = one_line(entry.filename)
                try:
                    unpack(archive, entry, folder, budget)
                except TooLarge:
                    raise
                except Exception as error:  # of many types: what a damaged zip makes zipfile raise
                    why = one_line(getattr(error, "strerror", None) or str(error))
                    fault = f"This entry was left out: {why or type(error).__name__}."
                    found.append(HandIn(owner, f"{label}: {shown}", None, fault))
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        why = one_line(getattr(error, "strerror", None) or str(error)) or type(error).__name__
        return [HandIn(owner, label, None, f"This zip cannot be unpacked: {why}.")]
    return found


def unpack(archive, entry, folder, budget):
    """Write one entry of a zip below a folder.

    Raises
    ------
    ValueError
        If its name leads elsewhere, or it is no plain file.
    TooLarge
        If the zip holds more than the budget allows.
    Exception
        Whatever zipfile raises for a damaged entry, and the system for a name.
    """
    name = entry.filename.replace("\\", "/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name):
        raise ValueError("its name leads out of the zip")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError("it is a link or a device, not a file")
    if name.count("/") > MOST_FOLDERS:
        raise ValueError("it lies in too many folders")
    parts = [re.sub(r'[<>:"|?*\x00-\x1f]', "_", p).rstrip(". ") for p in name.split("/")]
    target = folder.joinpath(*filter(None, parts))
    if entry.is_dir() or target == folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    if entry.flag_bits & 1:
        raise ValueError("it is encrypted; hand it in without a password")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ValueError("another entry has the same name")
    if target.suffix.lower() not in (*TAKEN, ".zip"):
        target.touch()
        return
    most = min(budget.bytes, LARGEST if target.suffix.lower() != ".zip" else budget.bytes)
    try:
        with archive.open(entry) as source, open(target, "wb") as file:
            while chunk := source.read(2**16):
                budget.bytes -= len(chunk)
                most -= len(chunk)
                if budget.bytes < 0:
                    raise TooLarge(f"its files have more than {MOST_BYTES:,} bytes")
                if most < 0:
                    raise ValueError(f"it is larger than {LARGEST:,} bytes")
                file.write(chunk)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
