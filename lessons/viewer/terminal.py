"""Render Markdown, formulas and code for a terminal, in colour where it supports it.

It handles what the lessons use: headings, paragraphs, lists, tables, fenced code, **strong**,
*emphasis*, `code`, [links](address) and LaTeX formulas.  Greek letters, sums, products, fractions,
exponents and indices of formulas become plain text.
"""

import os
import re
import shutil
import sys
import textwrap
import unicodedata

BOLD, ITALIC, CYAN, GREY, OFF = "\033[1m", "\033[3m", "\033[36m", "\033[90m", "\033[0m"
SIGNS = {
    "sum": "Σ", "prod": "Π", "partial": "∂", "nabla": "∇", "cdot": "·", "times": "×", "star": "⋆",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "in": "∈", "to": "→", "rightarrow": "→", "mapsto": "↦", "infty": "∞", "pm": "±", "odot": "⊙",
    "ldots": "…", "dots": "…", "cdots": "⋯", "quad": "\u2003", "qquad": "\u2003\u2003",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩",
    "mid": "|", "left": "", "right": "", "bigl": "", "bigr": "", "big": "", "Big": "", "ell": "ℓ",
    "top": "ᵀ", "lVert": "‖",
}  # fmt: skip
ITEM = r"(?:[-*+]|\d+\.) "  # the start of a list item
RAISED = dict(zip("0123456789+-−niT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿⁱᵀ", strict=True))
LOWERED = dict(zip("0123456789+-−aeijklmnopt", "₀₁₂₃₄₅₆₇₈₉₊₋₋ₐₑᵢⱼₖₗₘₙₒₚₜ", strict=True))


def has_colours():
    """Return whether to use colours: on a terminal, unless NO_COLOR or TERM=dumb is set."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


def painted(text, colour):
    """Return text in a colour, if colours are used."""
    return f"{colour}{text}{OFF}" if has_colours() else text


def prompt(text):
    """Return the prompt of an input in grey; readline must not count the colours as width."""
    start, end = painted("|", GREY).split("|")
    around = "\001{}\002" if start and "readline" in sys.modules else "{}"
    return around.format(start) + text + around.format(end)


def code(source, numbered=False):
    """Return the code of a cell beside a bar, or its line numbers; highlighted in colour."""
    lines = [folded(line, width() - 5 * numbered - 2) for line in source.rstrip().splitlines()]
    if has_colours():
        shown = highlighted("\n".join(map("\n".join, lines))).split("\n")
        lines = [[shown.pop(0) for _ in line] for line in lines]
    text = []
    for number, line in enumerate(lines, 1):
        labels = [f"{number:4} " * numbered] + [" " * 5 * numbered] * (len(line) - 1)
        text += [painted(f"{a}│ ", GREY) + part for a, part in zip(labels, line, strict=True)]
    return "\n".join(text) + "\n"


def folded(line, most):
    """Return a line of code as lines of at most `most` characters; later ones are indented."""
    if len(line) <= most:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    body, mark, comment = line.strip().partition("  # ")
    looks = [(body, indent, f"{indent}        ")]
    looks += [(comment, f"{indent}        # ", f"{indent}        # ")] * bool(mark)
    lines = []
    for text, first, later in looks:
        indents = {"initial_indent": first, "subsequent_indent": later}
        lines += textwrap.wrap(text, most, break_on_hyphens=False, **indents)
    return lines


def highlighted(source):
    """Return Python code highlighted in colours for dark and light backgrounds."""
    try:
        from pygments import highlight, token  # pytest 8.4 and later installs it
        from pygments.formatters import TerminalFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        return source
    colours = {
        token.Token: "",
        token.Keyword: "magenta",
        token.Operator.Word: "magenta",
        token.String: "green",
        token.Comment: "gray",
    }
    both = {kind: (colour, colour) for kind, colour in colours.items()}
    return highlight(source, PythonLexer(), TerminalFormatter(colorscheme=both))


def width():
    """Return the width of text: that of the terminal, but at most 100 columns."""
    return min(shutil.get_terminal_size().columns, 100)


def markdown(source):
    """Return Markdown as text, with paragraphs wrapped to the width of the terminal."""
    blocks = re.split(r"(^```.*?^```$|^\$\$.*?\$\$$)|\n\s*\n", source, flags=re.M | re.S)
    blocks = [block.strip("\n") for block in blocks if block and block.strip()]
    return "\n\n".join(block_text(block) for block in blocks) + "\n"


def block_text(block):
    """Return a block as text: a heading, fenced code, formula, table, list or paragraph."""
    if block.startswith("```"):
        return "\n".join("    " + line for line in block.splitlines()[1:-1])
    if block.startswith("$$"):
        return textwrap.indent(formula(block.strip("$\n ")), "    ")
    if block.startswith("#"):
        heading, _, rest = block.partition("\n")
        heading = painted(plain(heading.lstrip("# ")), BOLD)
        return heading + ("\n" + block_text(rest.strip("\n")) if rest.strip() else "")
    if block.startswith("|"):
        return table(block)
    if re.match(ITEM, block):
        items = re.split(rf"\n(?={ITEM})", block)
        return "\n".join(filled(item, later=" " * len(re.match(ITEM, item)[0])) for item in items)
    return filled(block)


def filled(text, first="", later=""):
    """Return a paragraph wrapped to lines, with indents for the first and the later ones."""
    text = formulas(" ".join(text.split()))
    indents = {"initial_indent": first, "subsequent_indent": later}
    return inline(textwrap.fill(text, width(), break_long_words=False, **indents))


def table(block):
    """Return a table with its columns aligned."""
    rows = [line.strip().strip("|").split("|") for line in block.splitlines()]
    rows = [[plain(cell.strip()) for cell in row] for row in rows if set("".join(row)) - set(" -:")]
    count = max(map(len, rows))
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(count)]
    lines = ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([painted(lines[0].rstrip(), BOLD), *(line.rstrip() for line in lines[1:])])


def inline(text, paint=None):
    """Return text with strong, emphasis, code and links shown by colours instead of marks."""
    paint = paint or painted
    codes = re.findall(r"`([^`]+)`", text)  # inside code there are no other marks
    text = re.sub(r"`[^`]+`", "\0", text)

    def painted_around_code(text, colour):
        return "\0".join(paint(part, colour) if part else "" for part in text.split("\0"))

    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", text)
    marks = {BOLD: r"\*\*(\S(?:.*?\S)?)\*\*"}
    marks[ITALIC] = r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"
    for colour, pattern in marks.items():
        text = re.sub(
            pattern, lambda m, colour=colour: painted_around_code(m[1], colour), text, flags=re.S
        )
    return re.sub("\0", lambda _: paint(codes.pop(0), CYAN), text)


def plain(text):
    """Return a line of Markdown without any marks."""
    return inline(formulas(text), lambda text, colour: text)


def formulas(text):
    """Return text with every $formula$ as plain text."""
    parts = re.split(r"(`[^`]+`)", text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\$([^$]+)\$", lambda m: formula(m[1]), parts[i])
    return "".join(parts)


def formula(tex):
    r"""Return a formula in LaTeX as plain text: \frac{\partial L}{\partial x} as ∂L/∂x."""
    tex = " ".join(tex.split())
    tex = re.sub(r"\\(?:text|mathrm|mathbf|operatorname|mathit|mathcal)\{([^{}]*)\}", r"{\1}", tex)
    tex = re.sub(r"\\(partial|nabla|left|right|lVert) +", lambda m: SIGNS[m[1]], tex)
    tex = re.sub(r" *\\rVert", "‖", tex)
    tex = re.sub(r"\\([A-Za-z]+)", lambda m: sign(m[1]), tex)
    tex = re.sub(r"\\[,;:! ]", " ", tex).replace("\\\\", "\n").replace("&", "").replace("~", " ")
    tex = re.sub(r"([_^])([^\s{}])", r"\1{\2}", tex)
    inner = r"\{([^{}]*)\}"
    before = None
    while before != tex:  # from the inside out, a pair of braces at a time
        before = tex
        tex = re.sub(r"\^" + inner, lambda m: script(m[1], RAISED, "^"), tex)
        tex = re.sub("_" + inner, lambda m: script(m[1], LOWERED, "_"), tex)
        tex = re.sub(r"\\frac\{1\}\{2\}", "½", tex)
        tex = re.sub(r"\\frac" + inner + inner, lambda m: f"{grouped(m[1])}/{grouped(m[2])}", tex)
        tex = re.sub(r"\\sqrt" + inner, lambda m: f"√{grouped(m[1])}", tex)
    tex = re.sub(r"[{}\\]", "", tex).replace("-", "−")
    tex = re.sub(r"(?<=[⌊⌈⟨]) +| +(?=[⌋⌉⟩])", "", tex)
    return re.sub(r" +", " ", tex).strip()


def sign(name):
    r"""Return the text of \name: a sign, a Greek letter, or a word such as max."""
    if name in ("frac", "sqrt"):
        return f"\\{name}"
    if name in SIGNS:
        return SIGNS[name]
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    greek = {"varepsilon": "epsilon", "lambda": "lamda"}.get(name, name)  # Unicode's spelling
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {greek.upper()}")
    except KeyError:
        return name


def script(text, letters, mark):
    """Return an exponent or index in small letters if they exist, else after its mark."""
    if all(letter in letters for letter in text):
        return "".join(letters[letter] for letter in text)
    return mark + grouped(text)


def grouped(text):
    """Return text in brackets, unless it is a single unit without them."""
    whole = re.fullmatch(r"[\w∂.ₐ-ₜ₀-₉⁰-⁹²³ᵀ]+", text.strip()) and "_" not in text
    return text if whole else f"({text})"
