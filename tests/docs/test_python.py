"""Every example in Python of the README and the guide for programs runs, and prints what stands under it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import fastdl
from fastdl import errors
from pages.blocks import Block, blocks, text_of
from pages.compare import differs
from pages.loopback import Loopback
from pages.sandbox import Sandbox
from servers.run import LIMIT

GUIDE = "docs/python.md"
EXAMPLES = [block for document in ("README.md", GUIDE) for block in blocks(document) if block.language == "python"]
OUTPUT = {block.after: block for block in blocks(GUIDE) if block.language == "text" and block.after in EXAMPLES}
# The API reads no variable that could lead it to this world, so its first step is led there.
LEAD = """
import json, os
from fastdl.api import calls, settings

real = settings.settings_for


def led(options, *, several=False):
    return real({**json.loads(os.environ["LED"]), **options}, several=several)


settings.settings_for = calls.settings_for = led
"""


def ran(code: str, sandbox: Sandbox, world: Loopback) -> subprocess.CompletedProcess[str]:
    folder = sandbox.folder / "lead"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LEAD, encoding="utf-8")
    program = sandbox.cwd / "example.py"
    program.write_text(code, encoding="utf-8")
    way = world.environment()
    environ = {name: value for name, value in sandbox.environment().items() if not name.startswith("FASTDL_")}
    environ["LED"] = json.dumps({"connect_to": way["FASTDL_CONNECT_TO"].split(), "cacert": way["FASTDL_CACERT"]})
    environ["PYTHONPATH"] = f"{folder}{':' if sys.platform != 'win32' else ';'}{environ['PYTHONPATH']}"
    return subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=sandbox.cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="the sandbox makes symbolic links")
@pytest.mark.parametrize("block", EXAMPLES, ids=[block.id for block in EXAMPLES])
def test_an_example_runs_and_prints_what_is_shown(block: Block, sandbox: Sandbox, world: Loopback) -> None:
    done = ran(block.text, sandbox, world)
    assert (done.returncode, done.stderr) == (0, ""), f"{block.place}\n{done.stderr}"
    shown = OUTPUT.get(block)
    if shown is not None:
        assert differs(shown.text, done.stdout) is None, f"{shown.place}\n{done.stdout}"
        flags = re.findall(r"\b(?:True|False|done|cancelled)\b", shown.text)
        assert all(flag in done.stdout for flag in flags)


def test_the_table_of_errors_is_the_codes() -> None:
    table = text_of(GUIDE).split("| error | code | when |\n", 1)[1].split("\n\n")[0]
    told = {name: int(code) for name, code in re.findall(r"^\| `(\w+)` \| (\d+) \|", table, re.MULTILINE)}
    assert told == {name: getattr(errors, name).code for name in told}
    branches = {kind for kind in fastdl.FastdlError.__subclasses__() if kind.code not in (8, 130, 143)}
    assert {getattr(errors, name) for name in told} == branches | {errors.Cancelled}


def test_the_reference_has_every_public_name() -> None:
    """By its own directive, or as part of a module that it takes whole."""
    named = set(re.findall(r"^::: ([\w.]+)", text_of("docs/api.md"), re.MULTILINE))
    for name in fastdl.__all__:
        value = getattr(fastdl, name)
        place = "fastdl.events" if name in ("Event", "Observer") else getattr(value, "__module__", "")
        assert name == "__version__" or named & {f"fastdl.{name}", place}, name
