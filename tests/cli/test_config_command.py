"""`config show`, `path` and `edit`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config_file import path as path
from config_file import settings, write
from fastdl import config
from fastdl.__main__ import main
from fastdl.cli import config_edit
from fastdl.cli.config_edit import editor_of, example, template
from fastdl.errors import UsageError
from fastdl.options import OPTIONS, SETTINGS
from servers.run import Runner

# --- show ------------------------------------------------------------------------------------------------

FILE = """\
jobs = 7
# more
header = ["X-Key: hunter2", "X-B: hunter2"]
"min_split" = "2M"
proxy = "http://me:hunter2@proxy.example.org:3128"
ipv4 = true
no-durable = true
user = "hunter2:hunter2"

[rules.mine]
match = ["https://example.org/{path...}"]
"""


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[str]]:
    assert main(["config", "show", *words]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    listed = [line.split("  ") for line in out.splitlines()]
    return {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in listed}


def test_show(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, FILE)
    monkeypatch.setenv("FASTDL_RETRIES", "3")
    monkeypatch.setenv("FASTDL_NO_REMOTE_TIME", "yes")
    monkeypatch.setenv("FASTDL_IPV6", "1")
    monkeypatch.setenv("FASTDL_MIRROR", "https://m.example.org/a?token=hunter2 https://n.example.org/a")
    told = rows(capsys)
    assert told["jobs"] == ["7", "line 1"]
    assert told["header"] == ["X-Key: ***, X-B: ***", "line 3"]
    assert told["min-split"] == ["2M", "line 4"]
    assert told["proxy"] == ["http://***@proxy.example.org:3128", "line 5"]
    assert told["durable"] == ["off", "line 7"]
    assert told["user"] == ["***", "line 8"]
    assert told["retries"] == ["3", "FASTDL_RETRIES"]
    assert told["remote-time"] == ["off", "FASTDL_NO_REMOTE_TIME"]
    assert told["mirror"] == ["https://m.example.org/a?token=*** https://n.example.org/a", "FASTDL_MIRROR"]
    assert told["ipv6"] == ["on", "FASTDL_IPV6"]
    assert told["ipv4"] == ["off", "default"], "the environment's -6 takes the file's -4 away"
    assert told["timeout"] == ["30", "default"]
    assert {option.name for option in (*OPTIONS, *SETTINGS)} <= set(told)
    assert told["rules: mine"] == []
    assert told[f"{path}: the config file"] == []


def test_show_as_json(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, FILE)
    monkeypatch.setenv("FASTDL_TIMEOUT", "2.5")
    assert main(["config", "show", "--json"]) == 0
    out = capsys.readouterr().out
    assert "hunter2" not in out
    told = json.loads(out)
    assert (told["path"], told["exists"], told["rules"]) == (str(path), True, ["mine"])
    held = {row.pop("key"): row for row in told["settings"]}
    assert list(held) == [option.name for option in (*OPTIONS, *SETTINGS)]
    assert held["jobs"] == {"value": 7, "text": "7", "source": "file", "place": 1}
    assert held["min-split"] == {"value": 2 << 20, "text": "2M", "source": "file", "place": 4}
    assert held["timeout"] == {"value": 2.5, "text": "2.5", "source": "environment", "place": "FASTDL_TIMEOUT"}
    assert held["durable"] == {"value": False, "text": "off", "source": "file", "place": 7}
    assert held["per-host"] == {"value": 8, "text": "8", "source": "default", "place": None}
    assert held["header"]["value"] == ["X-Key: ***", "X-B: ***"]
    assert held["cookies"]["value"] is None
    assert held["remote-time"]["value"] is True


def test_show_one_setting(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, FILE)
    assert rows(capsys, "jobs", "min_split") == {"jobs": ["7", "line 1"], "min-split": ["2M", "line 4"]}
    assert main(["config", "show", "jbs"]) == 2
    assert "did you mean jobs?" in capsys.readouterr().err


def test_show_without_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FASTDL_CONFIG")
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert main(["config"]) == 0
    assert "the config file, which is not there yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jobs = 1\nretires = 4\n", ["line 2, key retires", "did you mean retries?"]),
        ('a = """\njobs = 2\n"""\njobs = "many"\n', ["line 1, key a"]),
        ('dir = """jobs = 2"""\njobs = "many"\n', ["line 2, key jobs"]),
        ("user-agent = '''a'''\nno-history = [\n 1, # jobs = 3\n]\n", ["line 2, key no-history"]),
        ("ipv4 = true\njobs = 3\nipv6 = true\n", ["line 3, key ipv6", "ipv4 and ipv6 exclude each other"]),
        ('limit-rate = "fast"\n', ["line 1, key limit-rate"]),
        ('[rules.mine]\nmatch = ["ftp://x/"]\n', ["key rules.mine", "https://"]),
        ("jobs = \n", ["line 1, key jobs", "not valid TOML"]),
    ],
)
def test_a_wrong_file_is_told_by_file_line_and_key(
    text: str, parts: list[str], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, text)
    for words in (["show"], ["set", "retries", "3"]):
        assert main(["config", *words]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"fastdl: error: {path}, line ")
        assert error.count("\n") == 1
        assert [part for part in parts if part not in error] == []
    assert path.read_bytes() == text.encode()


def test_narrow_terminals(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from fastdl.cli import config_shown

    write(path, 'jobs = 7\nuser-agent = "a/1"\n')
    monkeypatch.setattr(config_shown, "is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert max(map(len, lines)) <= 60, "only a value that is long by itself passes 40"
    assert "jobs = 7 (line 1)" in lines
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["config", "show"]) == 0
    assert any(line.startswith("jobs ") and line.endswith(" line 1") for line in capsys.readouterr().out.splitlines())


# --- path, words -----------------------------------------------------------------------------------------


def test_path(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["shwo"], "did you mean show?"),
        (["path", "x"], "config path takes no more words"),
        (["edit", "x"], "config edit takes no more words"),
        (["set"], "needs a key and a value"),
        (["set", "jobs"], "needs a key and a value"),
        (["set", "jobs", "1", "2"], "it takes one value"),
        (["set", "rules.mine.enabled", "true"], "rules are tables"),
        (["unset"], "needs a key"),
        (["unset", "jbs"], "did you mean jobs?"),
        (["path", "--json"], "takes no --json"),
    ],
)
def test_wrong_words(words: list[str], part: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fastdl: error: ")
    assert error.count("\n") == 1
    assert part in error
    assert not path.exists()


# --- edit ------------------------------------------------------------------------------------------------


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program that appends what stands in a file beside it to the file that it is given."""
    program = tmp_path / "my editor.py"
    program.write_text(
        "import pathlib, sys\n"
        "place = pathlib.Path(sys.argv[-1])\n"
        "more = pathlib.Path(__file__).with_name('more')\n"
        "place.write_bytes(place.read_bytes() + more.read_bytes())\n"
        "sys.exit(int('fail' in sys.argv))\n"
    )
    (tmp_path / "more").write_text("jobs = 9\n")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f'"{sys.executable}" "{program}"')
    return tmp_path / "more"


def test_edit_begins_with_all_settings(editor: Path, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "edit"]) == 0
    text = path.read_text(encoding="utf-8")
    for option in (*OPTIONS, *SETTINGS):
        assert f"\n# {option.name} = " in text
    assert text.endswith("jobs = 9\n")
    assert settings(path).jobs == 9
    assert main(["config", "set", "retries", "1"]) == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[lines.index("retries = 1") - 1].startswith("# retries = ")


def test_edit_says_what_is_wrong_and_keeps_the_file(
    editor: Path, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(path, "jobs = 1\n")
    editor.write_text("retires = 3\n")
    assert main(["config", "edit"]) == 2
    assert f"{path}, line 2, key retires: no such setting (did you mean retries?)" in capfd.readouterr().err
    assert path.read_text() == "jobs = 1\nretires = 3\n"


def test_editors_that_fail(
    editor: Path, path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", os.environ["EDITOR"] + " fail")
    assert main(["config", "edit"]) == 2
    assert "failed (exit 1)" in capfd.readouterr().err
    for wrong, part in (("no-such-editor-anywhere", "cannot be started"), ("'open", "quotes"), ("''", "")):
        monkeypatch.setenv("VISUAL", wrong)
        assert main(["config", "edit"]) == 2
        assert part in capfd.readouterr().err


def test_which_editor(tmp_path: Path) -> None:
    def program(name: str) -> None:
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)

    environ = {"PATH": str(tmp_path)}
    assert editor_of({**environ, "EDITOR": "ed -x", "VISUAL": " "}, "linux") == ["ed", "-x"]
    assert editor_of({**environ, "EDITOR": "ed", "VISUAL": "code --wait"}, "linux") == ["code", "--wait"]
    assert editor_of({**environ, "EDITOR": '"C:\\My Tools\\e.exe" -n'}, "win32") == ["C:\\My Tools\\e.exe", "-n"]
    assert editor_of(environ, "win32") == ["notepad"]
    assert editor_of(environ, "darwin") == ["open", "-t"]
    with pytest.raises(UsageError, match="Set VISUAL or EDITOR"):
        editor_of(environ, "linux")
    if sys.platform != "win32":
        for name, system in (("vi", "darwin"), ("nano", "linux"), ("sensible-editor", "linux")):
            program(name)
            assert editor_of(environ, system) == [name]
        with_spaces = tmp_path / "my editor"
        program("my editor")
        assert editor_of({**environ, "EDITOR": str(with_spaces)}, "linux") == [str(with_spaces)]


@pytest.mark.parametrize("option", [*OPTIONS, *SETTINGS], ids=lambda option: option.name)
def test_the_examples_of_the_template_are_valid(option: config.Option, tmp_path: Path) -> None:
    line = f"# {option.name} = {example(option)}\n"
    assert line in template()
    file = tmp_path / "c.toml"
    more = 'cert = "c.pem"\n' if option.name == "key" else ""
    file.write_text(line.removeprefix("# ") + more, encoding="utf-8")
    assert option.key in config.from_file(str(file), required=True)


def test_a_template_alone_sets_nothing(path: Path) -> None:
    write(path, template())
    assert settings(path) == config.Settings()
    assert config_edit.HEAD in template()


def test_as_a_user_runs_it(fastdl: Runner) -> None:
    assert fastdl("config", "set", "jobs", "2").code == 0
    assert "config.toml" in fastdl("config", "path").out
    assert json.loads(fastdl("config", "show", "jobs", "--json").out)["settings"][0]["value"] == 2
    shown = fastdl("config", "--help").out
    assert "config set connections 8" in shown
    process = subprocess.run([sys.executable, "-m", "fastdl", "config", "unset"], capture_output=True, check=False)
    assert process.returncode == 2
