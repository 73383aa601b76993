"""Every command of README and docs is run, in an empty folder, against the hosts that the documents name."""

from __future__ import annotations

import re

import pytest

from pages import cases, play
from pages.blocks import Block, all_blocks, commands, is_transcript, transcript
from pages.compare import differs
from pages.loopback import Loopback
from pages.sandbox import Sandbox, needs_bash

AS_A_WHOLE = {"docs/comparison.md"}  # one story from its first block to its last: test_comparison.py


def scripts() -> list[tuple[Block, str]]:
    """(block, script): a block is one script, or one for each of its lines where they stand for themselves."""
    found = []
    for block in all_blocks():
        if block.language not in cases.SHELLS or is_transcript(block) or block.document in AS_A_WHOLE:
            continue
        lines = [line for line in commands(block.text) if cases.not_run(block.document, line) is None]
        if cases.is_menu(commands(block.text)):
            found += [(block, line) for line in lines]
        elif lines:
            found.append((block, "\n".join(lines)))
    return found


def shown() -> list[tuple[Block, str]]:
    """(block, command) where a block of text shows what the block with a single command right above it prints."""
    found = []
    for block in all_blocks():
        above = block.after
        if block.language not in ("text", "json") or above is None or above.document in AS_A_WHOLE:
            continue
        if above.language in cases.SHELLS and not is_transcript(above) and len(commands(above.text)) == 1:
            found.append((block, commands(above.text)[0]))
    return found


def transcripts() -> list[Block]:
    return [block for block in all_blocks() if is_transcript(block) and block.document not in AS_A_WHOLE]


def name_of(block: Block, script: str) -> str:
    return f"{block.document}-{re.sub(r'[^a-zA-Z0-9_]+', '-', script)[:60].strip('-')}"


SCRIPTS = scripts()
SHOWN = shown()
TRANSCRIPTS = transcripts()


@needs_bash
@pytest.mark.parametrize(("block", "script"), SCRIPTS, ids=[name_of(*each) for each in SCRIPTS])
def test_it_runs(block: Block, script: str, sandbox: Sandbox, world: Loopback) -> None:
    ran = play.run(sandbox, world, script)
    assert ran.code == cases.code_of(block.document, script), f"{block.place}\n{script}\n{ran.text}"
    assert "Traceback" not in ran.text


@needs_bash
@pytest.mark.parametrize(("block", "command"), SHOWN, ids=[name_of(*each) for each in SHOWN])
def test_it_prints_what_is_shown(block: Block, command: str, sandbox: Sandbox, world: Loopback) -> None:
    ran = play.run(sandbox, world, command)
    assert differs(block.text, ran.text) is None, f"{block.place}\n{ran.text}"


@needs_bash
@pytest.mark.parametrize("block", TRANSCRIPTS, ids=[block.id for block in TRANSCRIPTS])
def test_a_transcript_is_what_happens(block: Block, sandbox: Sandbox, world: Loopback) -> None:
    for step in play.play(block, sandbox, world):
        told = f"{block.place}: {step.command}\n{step.printed}"
        assert differs(step.shown, step.printed) is None, told
        assert step.expected_code, f"exit {step.code}: {told}"
        assert "Traceback" not in step.printed


# --- the tables hold -------------------------------------------------------------------------------------------


def all_commands() -> list[tuple[str, str]]:
    """(document, command) of every block with commands, those of Windows too, and every transcript."""
    found = []
    for block in all_blocks():
        if is_transcript(block):
            found += [(block.document, command) for command, _ in transcript(block.text)]
        elif block.language in (*cases.SHELLS, *cases.WINDOWS):
            found += [(block.document, command) for command in commands(block.text)]
    return found


def test_there_are_commands() -> None:
    assert len(SCRIPTS) > 25
    assert len(all_commands()) > 40


def test_every_entry_of_the_tables_is_of_use() -> None:
    written = all_commands()
    met = {id(cases.not_run(document, command)) for document, command in written}
    assert [entry for entry in cases.NOT_RUN if id(entry) not in met] == []
    codes = [key for key in cases.CODES if not any(key[0] == where and key[1] in line for where, line in written)]
    assert codes == []


def test_every_reason_says_something() -> None:
    assert all(len(entry.why.split()) > 2 for entry in cases.NOT_RUN)


def spelled() -> list[tuple[str, str]]:
    return [pair for pair in all_commands() if (entry := cases.not_run(*pair)) is not None and entry.spelled]


@needs_bash
@pytest.mark.parametrize(("document", "command"), spelled(), ids=[command[:70] for _, command in spelled()])
def test_what_is_not_run_is_spelled_right(document: str, command: str, sandbox: Sandbox) -> None:
    words = command.split("  #")[0].split(" -- ")[0]
    program = re.match(r"\S+ -m [\w.]+( run\b)?|fastdl \w+", words)
    assert program, command
    told = sandbox.run(f"{program[0]} --help")
    assert told.code == 0, told.text
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", told.text))
    assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", words[program.end() :])) <= known
