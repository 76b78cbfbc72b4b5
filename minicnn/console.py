"""A command in its terminal: its options, what is printed, progress bars, tables, and Ctrl-C."""

import argparse
import difflib
import re
import signal
import sys
import warnings
from contextlib import contextmanager

DELAY = 1  # seconds before a bar appears; shorter work needs none
# Control characters, the separators of lines and paragraphs, characters that reverse the direction
# of a text, and surrogates, which stand for bytes that are not text.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"  # the first is the one that begins an option

last_signal = signal.SIGINT  # the last signal that was handled


def printable(text):
    r"""Return text on one line that any terminal only shows: ESC becomes \x1b, a new line \n.

    For all that is not of the program itself: names of files and classes, a server's answers.
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


class Parser(argparse.ArgumentParser):
    """A parser that names a mistyped option or word, and says what it may have meant.

    argparse itself would take the value of a mistyped option for a positional argument, and blame
    that.  An abbreviation of an option is a mistake, too.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, allow_abbrev=False, **options)

    def parse_known_args(self, args=None, namespace=None):
        """Return the options and an empty list: a word too many is an error of this parser."""
        words = sys.argv[1:] if args is None else list(args)
        self.check_options(words)
        options, extra = super().parse_known_args(words, namespace)
        if extra:
            meant = [f"--{extra[0]}"] if f"--{extra[0]}" in self._option_string_actions else []
            self.error(f"unrecognized arguments: {' '.join(extra)}{did_you_mean(meant)}")
        return options, extra

    def check_options(self, words):
        """End with a usage error if a word is an option that there is not."""
        known, before = self._option_string_actions, None
        for word in words:
            if word == "--" or (self._subparsers and word[:1] not in DASHES):
                return  # what follows a command is checked by its own parser
            is_value = before in known and known[before].nargs != 0
            name, before = word.partition("=")[0], word
            bare = re.split(r"\s", name)[0].strip(DASHES)
            if word[:1] == "-":
                is_short = word[1:2] != "-" and word[:2] in known  # -hV
                is_number = self._negative_number_matcher.match(word)
                mistyped = word != "-" and name not in known and not (is_short or is_number)
            else:  # a word processor's dash
                mistyped = word[:1] in DASHES and f"--{bare}" in known
            if mistyped and not is_value:
                meant = did_you_mean(self.options_like(bare))
                place = "; options of a command stand after its name" if self._subparsers else ""
                self.error(f"unknown option {name}{meant or place}")

    def options_like(self, text):
        """Return the options that a mistyped or abbreviated one may have meant."""
        text = text.lower().replace("_", "-")
        names = [name[2:] for name in self._option_string_actions if name.startswith("--")]
        near = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
        near += [n for n in names if text and n.startswith(text) or sorted(n) == sorted(text)]
        return [f"--{name}" for name in dict.fromkeys(near)]

    def error(self, message):
        match = re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.*)\)", message)
        words = re.findall(r"[\w-]+", match[2]) if match else []
        if not message.startswith("argument -"):
            words += self._option_string_actions
        near = match and difflib.get_close_matches(match[1], words, n=1, cutoff=0.75)
        if near:
            message = f"{message[: match.start()]}unknown {match[1]!r}{did_you_mean(near)}"
        super().error(printable(message))


def did_you_mean(near):
    return f"; did you mean {' or '.join(near[:4])}?" if near else ""


def bar(total, title, unit=" images"):
    """Return a progress bar that vanishes when closed: `with bar(…) as progress: …`.

    Parameters
    ----------
    total : int
        The final count; `progress.update(3)` counts three more.
    title : str or None
        The text before the bar; with None the bar is never shown.
    unit : str
        The name of what is counted.
    """
    return progress_bar(
        total,
        title,
        unit,
        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {rate_fmt}, {remaining} left",
        delay=DELAY,
        leave=False,
        disable=True if title is None else None,  # None: unless stderr is a terminal
    )


def progress_bar(total, title, unit=" images", **look):
    """Return a progress bar that stays when closed; `look` has further options of tqdm."""
    from tqdm import tqdm

    look = {"unit_scale": True, "file": getattr(sys.stderr, "stream", sys.stderr), **look}
    return tqdm(total=total, desc=title and printable(title), unit=unit, **look)


def aligned(rows, right=()):
    """Return the lines of a table, with each column as wide as its widest cell.

    Parameters
    ----------
    rows : list of tuple of str
        The cells.
    right : collection of int
        The indices of the columns to align on the right; the others are aligned on the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        padded = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


class Terminal:
    """A stream that shows any text: what `printable` escapes, and what its encoding lacks."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        shown = "\n".join(map(printable, text.split("\n")))
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)


@contextmanager
def showing_anything():
    """Let standard output and error be Terminals, and a warning one line."""
    streams = sys.stdout, sys.stderr
    try:
        with warnings.catch_warnings():
            warnings.formatwarning = lambda message, *where, **line: f"minicnn: {message}\n"
            sys.stdout, sys.stderr = (stream and Terminal(stream) for stream in streams)
            yield
    finally:
        sys.stdout, sys.stderr = streams


@contextmanager
def interrupts(patient=False):
    """Yield a function that says whether Ctrl-C was pressed, or SIGTERM or SIGHUP received.

    A second Ctrl-C raises KeyboardInterrupt at once, unless `patient`: then Ctrl-C raises nothing.
    """
    count = 0

    def note(number, frame):
        nonlocal count
        if count and number == signal.SIGINT and not patient:
            raise KeyboardInterrupt
        count += 1

    with handled({signal.SIGINT, *signals()}, note):
        yield lambda: count > 0


def signals():
    """Return the signals that end a command, without those that nohup and others have ignored."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def handled(numbers, handler):
    """Let handler(number, frame) handle these signals."""

    def handle(number, frame):
        global last_signal
        last_signal = number
        handler(number, frame)

    previous = {}
    try:
        for number in numbers:
            previous[number] = signal.signal(number, handle)
    except ValueError:
        pass  # not the main thread, and only that one receives signals
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
