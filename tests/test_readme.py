"""The README tells the truth: its links lead somewhere, its code runs, its commands exist."""

import inspect
import pathlib
import re

import pytest

import minicnn
from minicnn.__main__ import parser

TOP = pathlib.Path(__file__).parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")
LINKS = [link for link in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in link]


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_link_leads_to_a_file(link):
    assert (TOP / link.partition("#")[0]).exists()


@pytest.mark.parametrize("ops", [minicnn.reference, minicnn.fast], ids=["reference", "fast"])
def test_every_layer_is_linked_at_its_line(ops):
    """Forward and backward of every layer, where they are defined; README.md says #L12, say."""
    for name in ops.__all__:
        if not name.endswith(("_forward", "_backward", "_update")):
            continue
        function = getattr(ops, name)
        path = pathlib.Path(inspect.getsourcefile(function)).resolve().relative_to(TOP.resolve())
        line = inspect.getsourcelines(function)[1]
        if ops.__name__.split(".")[-1] in path.parts:  # softmax of fast is the reference's
            assert f"({path.as_posix()}#L{line})" in README, f"{name} is at {path}#L{line}"


def test_the_python_code_runs(capsys):
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    exec(code, {})  # noqa: S102
    assert "ok at tolerance" in capsys.readouterr().out


def test_every_command_it_names_is_understood():
    commands = set(re.findall(r"`python -m minicnn ([^`]+)`", README))
    commands |= set(re.findall(r"^python -m minicnn ([^#\n]+)", README, re.MULTILINE))
    assert len(commands) >= 15
    for command in commands:
        parser().parse_args(command.split())
