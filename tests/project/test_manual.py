"""The pages that are made from the code are the ones that the code makes, and they are right as pages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.cli.commands import everything
from fastdl.manual import __main__ as manual
from fastdl.manual.markdown import SAMPLES, sample
from fastdl.manual.page import page
from fastdl.manual.roff import WIDTH, escaped, paragraph, tagged, verbatim
from fastdl.options import OPTIONS, SETTINGS
from servers.real import find

PAGE = manual.ROOT / "packaging/fastdl.1"
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200)


@pytest.mark.parametrize("name", list(manual.pages()))
def test_the_committed_page_is_what_the_code_makes(name: str) -> None:
    committed = (manual.ROOT / name).read_text(encoding="utf-8")
    assert committed == manual.pages()[name], "run: python -m fastdl.manual"


def test_making_and_checking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("packaging", "docs"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(manual, "ROOT", tmp_path)
    assert manual.main(["--check"]) == 1
    assert manual.main([]) == 0
    assert manual.main(["--check"]) == 0
    assert manual.main(["--chek"]) == 2
    assert "stale" in capsys.readouterr().out
    assert all((tmp_path / name).is_file() for name in manual.pages())


# --- the man page ----------------------------------------------------------------------------------------


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run([find("mandoc"), "-T", "lint", str(PAGE)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def read(*, width: int = 80) -> str:
    """The page as a terminal shows it, without bold and underlined letters."""
    command = [find("mandoc"), "-T", "ascii", "-O", f"width={width}", str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


def test_every_command_and_option_can_be_read() -> None:
    text = read()
    for command in everything():
        assert re.search(rf"^ +{command.name}\b", text, re.MULTILINE), command.name
        for option in command.options:
            assert re.search(rf"(^|[ ,]){re.escape('--' + option.name)}\b", text, re.MULTILINE), option.name
    for option in SETTINGS:
        assert f" {option.name}\n" in text
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"):
        assert f"\n{heading}\n" in text


def test_examples_can_be_copied_from_it() -> None:
    text = read(width=200)
    for command in everything():
        for line, _ in command.examples:
            assert line in text


def test_another_reader_agrees() -> None:
    """groff, by way of man, where that is what a system has."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tascii", "-ww", "-P-c", str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C"})
    assert done.stderr == ""
    assert "--limit-rate" in re.sub(r".\x08", "", done.stdout)


@given(TEXT)
def test_text_comes_out_as_it_went_in(text: str) -> None:
    """Nothing of it begins a request, and taking the escapes away gives it back."""
    for line in [escaped(text), *paragraph(text), *verbatim([text])[3:-2], *tagged("x", text)[2:]]:
        assert line[:1] not in (".", "'")
    back = {r"\(aq": "'", r"\(dq": '"', r"\(ga": "`", r"\(ha": "^", r"\(ti": "~", r"\-": "-", r"\e": "\\", r"\&": ""}
    plain = re.sub(r"\\(\(..|.)", lambda match: back[match[0]], escaped(text))
    assert plain == text


@given(TEXT)
def test_paragraphs_keep_their_words_and_the_width(text: str) -> None:
    lines = paragraph(text)
    assert all(len(line) <= WIDTH or " " not in line for line in lines)
    assert " ".join(lines).replace("\\&", "").split() == escaped(text).replace("\\&", "").split()


@pytest.mark.parametrize("text", ["caf\u00e9", "a\nb", "\x1b[1m"])
def test_what_a_terminal_may_not_be_sent(text: str) -> None:
    with pytest.raises(ValueError):
        escaped(text)


def test_the_page_has_no_control_characters() -> None:
    assert page(everything()).replace("\n", "").isprintable()


# --- the reference ---------------------------------------------------------------------------------------


def test_every_sample_of_the_config_file_is_valid(tmp_path: Path) -> None:
    from fastdl import config

    for option in OPTIONS:
        path = tmp_path / "config.toml"
        path.write_text(sample(option) + "\n", encoding="utf-8")
        assert config.from_file(str(path), required=True), option.name


def test_every_sample_has_an_option() -> None:
    assert set(SAMPLES) <= {option.name for option in OPTIONS}


def test_tables_have_as_many_cells_as_their_heads() -> None:
    text = (manual.ROOT / "docs/options.md").read_text(encoding="utf-8")
    cells = 0
    for line in text.splitlines():
        count = len(re.findall(r"(?<!\\)\|", line))
        if not line.startswith("|"):
            cells = 0
        elif not cells:
            cells = count
        assert not line.startswith("|") or count == cells, line
