"""The recipe for a browser's copy: pasted at a terminal, or through a pipe as from the clipboard."""

from __future__ import annotations

import pytest

from pages.loopback import TEST
from pages.sandbox import Sandbox, needs_bash

COPY = "curl 'https://example.org/f' \\\n  -H 'Cookie: sid=1' \\\n  --compressed\n"


@needs_bash
def test_pasted_at_a_terminal(sandbox: Sandbox) -> None:
    # It is typed as soon as the terminal shows that something is waited for.
    ran = sandbox.run("fastdl get --from-curl - -d here 2> /dev/tty", typed=COPY + "\x04")
    assert ran.code == 0, ran.text
    assert (sandbox.cwd / "here/f").read_bytes() == TEST


@needs_bash
def test_from_the_clipboard(sandbox: Sandbox) -> None:
    sandbox.lay({"clipboard": COPY.encode()})
    ran = sandbox.run("cat clipboard | fastdl get --from-curl -")
    assert ran.code == 0, ran.text
    assert "paste" not in ran.text
    assert (sandbox.cwd / "f").read_bytes() == TEST


@needs_bash
@pytest.mark.parametrize("option", ["--lock l", "--cluster tcp://127.0.0.1:9"])
def test_what_is_for_lists_is_refused(sandbox: Sandbox, option: str) -> None:
    sandbox.lay({"request.txt": COPY.encode()})
    ran = sandbox.run(f"fastdl get --from-curl request.txt {option}")
    assert ran.code == 2, ran.text
    assert option.split()[0] in ran.text
