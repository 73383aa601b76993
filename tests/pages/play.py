"""Runs the commands of one block where documents' commands run, and says what each of them printed.

    PYTHONPATH=src:tests python -m pages.play docs/guide.md

runs the transcripts of documents and writes what was printed under each command whose text is another one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pages import cases
from pages.blocks import ROOT, Block, blocks, documents, is_transcript, text_of, transcript
from pages.compare import differs
from pages.loopback import HOST, Loopback
from pages.sandbox import Ran, Sandbox
from servers.run import scratch
from servers.tls import Certificates

_MARK = "==ended=="


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a transcript: what the document shows under it, what it printed, its exit code."""

    command: str
    shown: str
    printed: str
    code: int

    @property
    def expected_code(self) -> bool:
        """Whether the code is the one that goes with what is shown: not 0 after an error, else 0."""
        told = "fastdl: error:" in self.shown and "exit $?" not in self.command
        return (self.code != 0) == told


@contextmanager
def open_world(certificates: Certificates) -> Iterator[Loopback]:
    """example.org and its kin, as far as documents name them."""
    world = Loopback(certificates, {name for document in documents() for name in HOST.findall(text_of(document))})
    try:
        yield world
    finally:
        world.close()


def prepared(folder: Path, world: Loopback) -> Sandbox:
    """An empty folder, and a user who can log in there."""
    return Sandbox(folder, {**world.environment(), **cases.VARIABLES}, cases.HOME)


def run(sandbox: Sandbox, world: Loopback, script: str) -> Ran:
    """Run a script with its files there."""
    sandbox.lay(cases.files_for(script, world))
    return sandbox.run(cases.runnable(script, world), cases.typed_at(script))


def play(block: Block, sandbox: Sandbox, world: Loopback) -> list[Step]:
    """Run a transcript. A command that fails does not end it."""
    pairs = [pair for pair in transcript(block.text) if cases.not_run(block.document, pair[0]) is None]
    written = "\n".join(command for command, _ in pairs)
    script = "\n".join(f"{command}\nprintf '\\n{_MARK} %s\\n' $?" for command, _ in pairs)
    sandbox.lay(cases.files_for(written, world))
    ran = sandbox.run("set +e\n" + cases.runnable(script, world), cases.typed_at(written))
    parts = re.split(rf"\n{_MARK} (\d+)\n", ran.text)
    assert len(parts) == 2 * len(pairs) + 1, ran.text
    ended = zip(pairs, parts[::2], parts[1::2], strict=False)
    return [Step(command, shown, printed, int(code)) for (command, shown), printed, code in ended]


# --- writing it down -------------------------------------------------------------------------------------------


def rewritten(document: str, world: Loopback) -> str:
    """The document's text, with what its transcripts print now where that is something else."""
    text, at = text_of(document), 0
    for block in blocks(document):
        if is_transcript(block):
            with scratch() as folder:
                steps = play(block, prepared(Path(folder), world), world)
            for step in steps:
                if differs(step.shown, step.printed) is not None:
                    at = text.index(f"$ {step.command}\n{step.shown}", at)
                    at += len(f"$ {step.command}\n")
                    printed = step.printed.strip("\n")
                    text = text[:at] + (printed and printed + "\n") + text[at + len(step.shown) :]
    return text


def main(argv: Sequence[str]) -> int:
    """Bring the documents up to date; exit 0."""
    with scratch() as folder, open_world(Certificates(Path(folder))) as world:
        for document in argv:
            (ROOT / document).write_text(rewritten(document, world), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
