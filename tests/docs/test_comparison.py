"""docs/comparison.md is run from its first command to its last: three servers, one of which alters bytes.

The servers are made faster and get free ports; everything else is what the page has. What a program that is not
installed would do is not looked at.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pages.blocks import ROOT, blocks, commands, is_transcript, transcript
from pages.compare import differs
from pages.sandbox import Sandbox, needs_bash
from servers.run import environment

DOCUMENT = "docs/comparison.md"
# Of each server; the page's would take minutes. fastdl warns only if the liar has sent something before all is there.
RATES = {"curl": "48M", "aria2c": "24M", "fastdl": "12M"}
SERVER = "python -m benches.sources "


def parts() -> tuple[list[str], str, list[tuple[str, str]]]:
    """(commands of the servers, the block that sets variables, (command, what is shown) of all transcripts)."""
    servers: list[str] = []
    variables = ""
    steps: list[tuple[str, str]] = []
    for block in blocks(DOCUMENT):
        if is_transcript(block):
            steps += transcript(block.text)
        elif block.language == "sh":
            lines = commands(block.text)
            servers += [line for line in lines if line.startswith(SERVER)]
            variables += "".join(f"{line}\n" for line in lines if not line.startswith(SERVER))
    return servers, variables, steps


SERVERS, VARIABLES, STEPS = parts()


@pytest.fixture
def ports(tool: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The port that the page names -> the one where that server listens."""
    env = environment(tmp_path / "servers")
    env["PYTHONPATH"] += f":{ROOT}"
    found = {}
    with ExitStack() as stack:
        for line in SERVERS:
            words = shlex.split(re.sub(r"--rate \S+", f"--rate {RATES[tool]}", line), comments=True)
            at = words.index("--port")
            named, words[at + 1] = words[at + 1], "0"
            if f":{named}/" not in VARIABLES:
                continue
            command = [sys.executable, *words[1:], "--attached"]
            process = stack.enter_context(
                subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            address = re.search(r":(\d+)/", process.stdout.readline())
            assert address is not None, line
            found[named] = address[1]
        yield found


@needs_bash
@pytest.mark.parametrize("tool", RATES)
def test_what_it_does_with_the_liar(tool: str, tmp_path: Path, ports: dict[str, str]) -> None:
    if tool != "fastdl" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    sandbox = Sandbox(tmp_path)
    assert len(ports) == 3
    given = [(command, shown) for command, shown in STEPS if tool in command or "metalink" in command]
    assert given
    for command, shown in given:
        script = f"set +e\n{VARIABLES}{command}"
        if "rm " not in command:
            script = f"rm -f file.bin*\n{script}"
        for named, real in ports.items():
            script = script.replace(f":{named}/", f":{real}/")
        ran = sandbox.run(script)
        if "--metalink" in command:
            assert (sandbox.cwd / "file.meta4").stat().st_size > 1000
            continue
        assert ended(shown) == ended(ran.text), f"{command}\n{ran.text}"
        assert tool != "fastdl" or differs(without_figures(shown), without_figures(ran.text)) is None, ran.text


def ended(text: str) -> list[str]:
    """The exit codes that are told."""
    return re.findall(r"(?m)^exit (\d+)$", text)


def without_figures(text: str) -> str:
    """Ports are this machine's, and who is asked to mend is chance."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text)
    return re.sub(r"mended from [^:]*?(?=, and)", "mended from 127.0.0.1", text)


def test_every_block_is_taken() -> None:
    assert len(SERVERS) == 5
    assert {"ORIGIN", "MIRROR", "LIAR", "SHA"} <= set(re.findall(r"\b([A-Z]+)=", VARIABLES))
    assert len(STEPS) >= 7


def test_the_digest_is_that_of_the_file() -> None:
    from fastdl.demo_server import Content

    assert f"SHA={Content(64 << 20).sha256}" in VARIABLES
