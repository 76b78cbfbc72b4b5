"""Links from a lesson to the lines of the library that it uses, and pages for these lines to be on.

    name     as it stands in a lesson: "net.forward", where `from minicnn import net` came before
    link     where it is defined: "source/minicnn/net.py.html#L-21"
    links    link of every name

Functions, classes and modules have a line where they are defined; arrays and constants have not.
"""

import ast
import html
import inspect
import pathlib
import pkgutil
import re
import types

import minicnn

LIBRARY = pathlib.Path(minicnn.__file__).parent
# How Pygments writes net.forward: one span for each name, and one for each dot between them.
NAMES = re.compile(
    r'(?<!<span class="o">\.</span>)'
    r'<span class="n\w*">[\w.]+</span>(?:<span class="o">\.</span><span class="n\w*">\w+</span>)*'
    r'(?!<span class="o">=</span>)'  # the name of an option
)


def links_of(sources):
    """Return the link of every name of minicnn in these cells of code, and of all its layers."""
    known = {name: f"minicnn.reference.{name}" for name in minicnn.reference.__all__}
    trees = [ast.parse(source) for source in sources]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and is_ours(node.module):
            known[node.module] = node.module
            for one in node.names:
                known[one.name] = known[one.asname or one.name] = f"{node.module}.{one.name}"
        elif isinstance(node, ast.Import):
            for one in filter(lambda one: is_ours(one.name), node.names):
                known["minicnn"], known[one.name] = "minicnn", one.name
                known[one.asname or one.name] = one.name
    roots = dict(known)
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            root, _, rest = name.partition(".")
            if root in roots and re.fullmatch(r"[\w.]+", name):
                known[name] = f"{roots[root]}.{rest}"
    found = {name: link_to(dotted) for name, dotted in known.items()}
    return {name: link for name, link in found.items() if link}


def is_ours(module):
    """Return whether a module belongs to minicnn."""
    return (module or "").split(".")[0] == "minicnn"


def link_to(dotted):
    """Return the link to what a dotted name stands for; None if it is no code of minicnn."""
    try:
        thing = pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError, OSError, ValueError):
        return None
    thing = getattr(thing, "py_func", thing)  # what Numba has compiled
    try:
        path = pathlib.Path(inspect.getsourcefile(thing)).relative_to(LIBRARY)
        line = 1 if isinstance(thing, types.ModuleType) else inspect.getsourcelines(thing)[1]
    except (TypeError, OSError, ValueError):
        return None
    return link_to_line(path, line)


def link_to_line(path, line=1):
    """Return the link to a line of a file; `path` is seen from the library's folder."""
    anchor = f"#L-{line}" if line > 1 else ""
    return f"source/minicnn/{path.as_posix()}.html{anchor}"


def linked(highlighted, links):
    """Return code that Pygments has turned into HTML, with links around the names of minicnn."""

    def link(match):
        spans = re.split(r'(?<=</span>)(?=<span class="o">\.</span>)', match[0])
        for count in range(len(spans), 0, -1):  # net.forward, or else net
            first, rest = "".join(spans[:count]), "".join(spans[count:])
            name = re.sub(r"<[^>]+>", "", first)
            if name in links:
                return f'<a href="{links[name]}">{first}</a>{rest}'
        return match[0]

    return NAMES.sub(link, highlighted)


def linked_in_prose(code, links):
    """Return `code` of the prose as HTML, linked if it names a function or file of minicnn."""
    name = code.removesuffix("()").removeprefix("minicnn/")
    link = links.get(name)
    if not link and name.endswith(".py") and (LIBRARY / name).is_file():
        link = link_to_line(pathlib.PurePosixPath(name))
    written = f"<code>{html.escape(code, quote=False)}</code>"
    return f'<a href="{link}">{written}</a>' if link else written


def write_pages(used, folder, template):
    """Write a page for every file of the library in `used`, a set of links, under folder."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(linenos="inline", linespans="L")
    for link in sorted({link.partition("#")[0] for link in used}):
        name = link.removeprefix("source/").removesuffix(".html")
        text = (LIBRARY.parent / name).read_text(encoding="utf-8")
        code = highlight(text, PythonLexer(stripnl=False), formatter)
        page = folder / link
        page.parent.mkdir(parents=True, exist_ok=True)
        top = "../" * link.count("/")
        page.write_text(template.render(name=name, code=code, top=top), encoding="utf-8")
