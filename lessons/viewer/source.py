"""Link the names in a lesson to the library's source, and write the pages of that source.

    name     as written in a lesson: "net.forward" after `from minicnn import net`
    link     the place of its definition: "source/minicnn/net.py.html#L-21"
    links    {name: link}

Functions, classes and modules get links; arrays and constants have no line of definition.
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
# The HTML that Pygments writes for net.forward: a span for each name and each dot.
NAMES = re.compile(
    r'(?<!<span class="o">\.</span>)'
    r'<span class="n\w*">[\w.]+</span>(?:<span class="o">\.</span><span class="n\w*">\w+</span>)*'
    r'(?!<span class="o">=</span>)'  # the name of an option
)


def links_in(sources):
    """Return the links of all names of minicnn in these code cells, and of all its layers."""
    known = {name: f"minicnn.reference.{name}" for name in minicnn.reference.__all__}
    trees = [ast.parse(source) for source in sources]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and is_ours(node.module):
            known[node.module] = node.module
            for alias in node.names:
                known[alias.name] = f"{node.module}.{alias.name}"
                known[alias.asname or alias.name] = known[alias.name]
        elif isinstance(node, ast.Import):
            for alias in filter(lambda alias: is_ours(alias.name), node.names):
                known["minicnn"], known[alias.name] = "minicnn", alias.name
                known[alias.asname or alias.name] = alias.name
    roots = dict(known)
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            root, _, rest = name.partition(".")
            if root in roots and re.fullmatch(r"[\w.]+", name):
                known[name] = f"{roots[root]}.{rest}"
    links = {name: link_to(dotted) for name, dotted in known.items()}
    return {name: link for name, link in links.items() if link}


def is_ours(module):
    """Return whether a module belongs to minicnn."""
    return (module or "").split(".")[0] == "minicnn"


def link_to(dotted):
    """Return the link to the object of a dotted name, or None if it is not code of minicnn."""
    try:
        thing = pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError, OSError, ValueError):
        return None
    thing = getattr(thing, "py_func", thing)  # the Python of a compiled kernel
    try:
        path = pathlib.Path(inspect.getsourcefile(thing)).relative_to(LIBRARY)
        line = 1 if isinstance(thing, types.ModuleType) else inspect.getsourcelines(thing)[1]
    except (TypeError, OSError, ValueError):
        return None
    return link_to_line(path, line)


def link_to_line(path, line=1):
    """Return the link to a line of a file; `path` is relative to the library's folder."""
    anchor = f"#L-{line}" if line > 1 else ""
    return f"source/minicnn/{path.as_posix()}.html{anchor}"


def linked(highlighted, links):
    """Return the HTML of code highlighted by Pygments, with links on the names of minicnn."""

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
    """Return a piece of code in the prose as HTML, linked if it names a function or file."""
    name = code.removesuffix("()").removeprefix("minicnn/")
    link = links.get(name)
    if not link and name.endswith(".py") and (LIBRARY / name).is_file():
        link = link_to_line(pathlib.PurePosixPath(name))
    written = f"<code>{html.escape(code, quote=False)}</code>"
    return f'<a href="{link}">{written}</a>' if link else written


def write_pages(used, folder, template):
    """Write a page for each library file among the links `used`, under `folder`."""
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
