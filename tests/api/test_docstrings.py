"""Every public name says what it is, in which units, and which errors it raises: the reference is made of that."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastdl
from fastdl import aio, errors, events
from fastdl.api import jobs, settings

UNITS = re.compile(r"\b(bytes|seconds|time|how many|number|requests|faults|exit code|status)\b", re.IGNORECASE)
CLASSES = [fastdl.Download, aio.Download, fastdl.Job]
DATA = [fastdl.Result, fastdl.DigestReport, fastdl.SourceReport, *fastdl.Event.__args__]  # type: ignore[attr-defined]


def calls() -> Iterator[tuple[str, Any]]:
    """Functions, and the methods and properties of classes, by name."""
    for module in (fastdl, aio):
        for name in ("download", "download_many", "download_each"):
            yield f"{module.__name__}.{name}", getattr(module, name)
    for kind in CLASSES:
        for name, value in vars(kind).items():
            if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                yield f"{kind.__module__}.{kind.__qualname__}.{name}", value


def attributes(doc: str | None) -> dict[str, str]:
    """The lines of the section Attributes of a docstring."""
    section = inspect.cleandoc(doc or "").partition("Attributes:\n")[2]
    found = re.findall(r"(?m)^    (\w+): ((?:.*\n?)(?:^     +.*\n?)*)", section)
    return {name: " ".join(text.split()) for name, text in found}


@pytest.mark.parametrize("name", [name for name in fastdl.__all__ if name not in ("__version__", "Event", "Observer")])
def test_every_name_has_a_docstring(name: str) -> None:
    doc = inspect.getdoc(getattr(fastdl, name))
    assert doc, name
    assert not doc.startswith(name + "("), name  # the dataclass's own


@pytest.mark.parametrize(("name", "value"), list(calls()), ids=[name for name, _ in calls()])
def test_every_call_tells_its_errors(name: str, value: Any) -> None:
    doc = inspect.getdoc(value) or ""
    assert re.search(r"\bRaises:|\b[Rr]aises\b", doc), f"{name} does not say what it raises"
    for named in re.findall(r"(?m)^    ([\w.]+): ", doc.partition("Raises:\n")[2]):
        kind = getattr(errors, named, None) or eval(named, {"asyncio": __import__("asyncio")})
        assert issubclass(kind, BaseException), named


@pytest.mark.parametrize(("name", "value"), list(calls()), ids=[name for name, _ in calls()])
def test_every_parameter_is_told(name: str, value: Any) -> None:
    if isinstance(value, property):
        return
    doc = inspect.getdoc(value) or ""
    known = [part for part in inspect.signature(value).parameters.values() if part.name != "self"]
    for part in known:
        spelled = f"**{part.name}" if part.kind is part.VAR_KEYWORD else part.name
        told = f"    {spelled}: " in doc or f"`{part.name}`" in doc or (len(known) == 1 and len(doc) > 40)
        assert told, f"{name}: {part.name}"
        if re.search(r"\b(int|float)\b", str(part.annotation)):
            assert UNITS.search(doc), f"{name}: {part.name} has no unit"


@pytest.mark.parametrize("kind", DATA, ids=lambda kind: kind.__name__)
def test_every_field_is_told_and_numbers_have_units(kind: type) -> None:
    told = attributes(kind.__doc__)
    tree = ast.parse(Path(inspect.getsourcefile(kind) or "").read_text(encoding="utf-8"))
    (node,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    fields = {
        each.target.id: ast.unparse(each.annotation)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    assert list(told) == list(fields) == [field.name for field in dataclasses.fields(kind)]
    for name, note in fields.items():
        if re.search(r"\b(int|float)\b", note):
            assert UNITS.search(told[name]), f"{kind.__name__}.{name}: {told[name]}"


def options() -> dict[str, str]:
    """What stands under each option."""
    tree = ast.parse(Path(jobs.__file__).read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in ("Options", "JobOptions"):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    assert isinstance(field.target, ast.Name)
                    assert isinstance(text.value, ast.Constant)
                    found[field.target.id] = str(text.value.value)
    return found


def test_every_option_is_told_and_has_its_unit() -> None:
    told = options()
    assert told.keys() == settings.ALL
    units = {"size": r"\b[Bb]ytes\b", "rate": r"\b[Bb]ytes a second\b", "seconds": r"\b[Ss]econds\b"}
    for key, text in told.items():
        option = settings.TABLE.get(key)
        if option is not None and option.kind in units:
            assert re.search(units[option.kind], text), key


def leaves(kind: type[fastdl.FastdlError]) -> Iterator[type[fastdl.FastdlError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


def test_the_errors_are_one_documented_tree() -> None:
    public = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException)}
    own = {kind for kind in leaves(fastdl.FastdlError) if kind.__module__ == "fastdl.errors"}
    assert public == own
    assert list(attributes(fastdl.FastdlError.__doc__)) == ["code", "what", "why", "hint", "result"]
    for kind in own:
        assert inspect.getdoc(kind), kind
        assert kind is fastdl.FastdlError or kind.hint, kind
        made = kind("it broke", "half a sentence")
        assert (made.what, made.why, made.result) == ("it broke", "half a sentence", None)
        assert str(made) == f"it broke (half a sentence). {made.hint}".rstrip()


def test_modules_say_what_they_are() -> None:
    for module in (fastdl, aio, errors, events):
        assert module.__doc__
