"""`import minicnn` is light, and imports go one way: from the commands down to the core."""

import ast
import pathlib
import subprocess
import sys
import tomllib

import pytest

import minicnn


def printed(code):
    """Return the words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_minicnn_loads_nothing_heavy():
    code = "import sys, minicnn; print(*sys.modules)"
    heavy = {"numpy", "numba", "matplotlib", "PIL", "tqdm", "torch"}
    assert heavy.isdisjoint(printed(code))


DOORS = ["minicnn", "lessons", "minicnn.cuda.check"]


def refused(*arguments):
    """Return the sentence with which a command ends."""
    top = pathlib.Path(minicnn.__file__).parents[1]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=top)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("door", DOORS)
def test_a_python_without_the_packages_is_told_what_to_type(door):
    sentence = refused("-S", "-m", door)  # -S: without site-packages
    assert "needs numpy, numba, pillow, matplotlib, tqdm, which this Python" in sentence
    assert "pip install -r requirements.txt" in sentence or "in place of python" in sentence


@pytest.mark.parametrize("door", DOORS)
def test_an_old_python_is_told_what_to_type(door):
    old = f"import sys; sys.version_info = (3, 9, 18); sys.argv = ['-m']; import {door}"
    assert "minicnn needs Python 3.11 or newer, and this is" in refused("-c", old)
    old = old.replace("-m", "script.py")
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True)
    assert "ImportError: minicnn needs Python 3.11 or newer" in done.stderr


def test_an_old_python_can_read_what_refuses_it():
    for path in (PACKAGE / "__init__.py", PACKAGE.parent / "lessons" / "__init__.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_every_file_that_is_no_python_is_in_the_wheel():
    top = PACKAGE.parent
    tools = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packages = tools["setuptools"]["packages"]["find"]["include"]
    assert packages == ["minicnn*", "lessons*"]
    data = tools["setuptools"]["package-data"]
    listed = {p for name, globs in data.items() for g in globs
              for p in (top / name.replace(".", "/")).glob(g)}  # fmt: skip
    for path in [*PACKAGE.rglob("*"), *(top / "lessons").rglob("*")]:
        is_picture = path.parent.name == "results" and path.suffix == ".png"  # README's
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
            assert is_picture or path in listed, path


def test_a_backend_arrives_when_first_named_and_brings_no_pictures():
    code = "import sys, minicnn; minicnn.reference.relu_forward; print(*sys.modules)"
    modules = set(printed(code))
    assert {"numpy", "numba", "minicnn.reference"} <= modules
    assert modules.isdisjoint({"minicnn.fast", "matplotlib", "PIL", "tqdm", "torch"})
    assert printed("import minicnn; print(minicnn.fast.__name__)") == ["minicnn.fast"]


def test_every_module_that_is_announced_is_there():
    for name in minicnn._MODULES:
        assert getattr(minicnn, name).__name__ == f"minicnn.{name}"
        assert name in dir(minicnn)


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known_ones():
    with pytest.raises(AttributeError, match="'minicnn' has no attribute 'cudnn'; it has"):
        minicnn.cudnn  # noqa: B018
    assert not hasattr(minicnn, "cudnn")


PACKAGE = pathlib.Path(minicnn.__file__).parent
CORE = "backends checks console errors gradcheck jit machine net shapes storage two_columns".split()
BACKENDS = ["reference", "fast", "cuda"]
MAY_IMPORT = {  # wing → the wings that it may import, beside the core
    "reference": [],
    "fast": ["reference"],
    "cuda": ["reference"],
    "stepping": ["cuda", "fast", "verify"],  # the emulator, which runs the kernels of cuda
    "step": ["stepping"],
    "networks": BACKENDS,
    "data": [],
    "plots": ["stepping"],
    "weights": ["networks"],
    "distributed": ["networks", "reference"],
    "training": ["data", "distributed", "networks"],
    "verify": [*BACKENDS, "networks", "training"],
    "experiments": [*BACKENDS, "data", "networks", "plots", "training"],
    "claims": [*BACKENDS, "data", "experiments", "networks", "plots", "training"],
    "bench": [*BACKENDS, "networks", "plots", "training"],
    "commands": [
        *BACKENDS,
        "bench",
        "claims",
        "data",
        "distributed",
        "experiments",
        "networks",
        "plots",
        "training",
        "verify",
        "weights",
    ],
    "__main__": ["commands", "distributed", "fast"],
}


def module_of(path):
    """Return the dotted name of a file: "minicnn.data" for minicnn/data/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def statements(tree):
    """Yield all nodes, but for those below `if __name__ == "__main__":`."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ ==")):
            yield from statements(node)


def imports(module):
    """Return the modules of minicnn that a module imports, in functions, too."""
    path, found = MODULES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, [above, node.module]))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in MODULES else base)
    return {name for name in found if name in MODULES} - {module}


def wing_of(module):
    """Return the wing of a module: "data" for minicnn.data.views; the core is one wing."""
    name = module.split(".")[1] if "." in module else "minicnn"
    return "core" if name in CORE else name


def test_imports_go_round_in_no_circle():
    arrows = {module: imports(module) for module in MODULES}
    while arrows:
        leaves = [module for module, below in arrows.items() if not below & arrows.keys()]
        assert leaves, f"a circle among {', '.join(arrows)}"
        for module in leaves:
            del arrows[module]


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_a_module_imports_only_what_stands_below_its_wing(module):
    wing = wing_of(module)
    allowed = {wing, "core", *MAY_IMPORT.get(wing, [])}
    if wing == "core":
        allowed = {"core"}
    if wing == "__main__":
        allowed.add("minicnn")  # the version
    assert {wing_of(one) for one in imports(module)} <= allowed


def test_the_formats_of_weights_know_no_network():
    for module in MODULES:
        if module.startswith(("minicnn.weights.formats", "minicnn.weights.provenance")):
            assert {wing_of(one) for one in imports(module)} <= {"weights", "core"}


def test_the_root_has_few_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 14


def test_the_lessons_import_only_the_commands_and_the_library():
    lessons = PACKAGE.parent / "lessons"
    for path in sorted(lessons.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minicnn."):
                assert node.module in MODULES or node.module.rpartition(".")[0] in MODULES
                assert wing_of(node.module) not in ("bench", "verify", "__main__"), path.name
    for path in MODULES.values():
        assert "lessons" not in {
            (getattr(node, "module", None) or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        }
