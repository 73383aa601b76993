"""Completion: the answers, the scripts in real shells, and where they are installed."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.cli import completion
from fastdl.cli.commands import NAMES, options_of
from fastdl.cli.completing import FILES, FOLDERS, NONE, SHELLS, answer, complete, split
from fastdl.cli.shell_scripts import SCRIPTS
from fastdl.errors import UsageError
from servers.real import find
from servers.run import Runner, environment

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="these shells are those of other systems")
LIMIT = 90.0  # seconds; a shell that says nothing for so long never will


def words(line: str) -> list[str]:
    """The words that complete a line."""
    return [word for word, _ in complete(*split(line)).words]


# --- answers ---------------------------------------------------------------------------------------------


def test_commands_come_first() -> None:
    assert words("fastdl ") == [*NAMES, "help"]
    assert words("fastdl ver") == ["verify"]
    assert "--version" not in words("fastdl get --")
    assert words("fastdl help exp") == ["explain"]
    assert words("fastdl --install-completion ") == list(SHELLS)


@pytest.mark.parametrize("command", NAMES)
def test_every_option_of_every_command(command: str) -> None:
    expected = [f"--{option.name}" for option in options_of(command)]
    expected += [f"--no-{option.name}" for option in options_of(command) if option.negatable]
    assert words(f"fastdl {command} --") == [*expected, "--help"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fastdl get --cdn ", ["auto", "off", "prefer"]),
        ("fastdl get --cdn=p", ["--cdn=prefer"]),
        ("fastdl get --trust of", ["official"]),
        ("fastdl get --http 1", ["1.1"]),
        ("fastdl get --progress pl", ["plain"]),
        ("fastdl get -x a", ["auto"]),
        ("fastdl get -qx ", ["auto"]),
        ("fastdl get --checksum sha25", ["sha256:"]),
        ("fastdl get -H ", []),
        ("fastdl get --limit-rate 2M --lim", ["--limit-rate"]),
        ("fastdl --limit", ["--limit-rate"]),
        ("fastdl https://example.org/a --limit", ["--limit-rate"]),
        ("fastdl -o x --cdn o", ["off"]),
        ("fastdl --ver", ["--verbose", "--version"]),
        ("fastdl --inst", ["--install-completion"]),
        ("fastdl config show connect", ["connections", "connect-timeout", "connect-to"]),
        ("fastdl config show jobs retr", ["retries"]),
        ("fastdl config unset jobs retr", ["retries"]),
        ("fastdl get -- --lim", []),
        ("fastdl get -o --cdn ", []),
        ("fastdl mirrors te", ["test"]),
        ("fastdl mirrors debi", ["debian"]),
        ("fastdl mirrors debian ", []),
        ("fastdl cache ", ["info", "clear"]),
        ("fastdl history cl", ["clear"]),
        ("fastdl config s", ["show", "set"]),
        ("fastdl config set limit", ["limit-rate"]),
        ("fastdl config unset remote", ["remote-time"]),
        ("fastdl config set cdn ", ["auto", "off", "prefer"]),
        ("fastdl config set remote_time ", ["true", "false"]),
        ("fastdl config set nothing ", []),
        ("fastdl nothing ", []),
        ("fastdl get 'a b", []),
    ],
)
def test_words(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("fastdl get -i ", FILES),
        ("fastdl get -o ", FILES),
        ("fastdl get --dir ", FOLDERS),
        ("fastdl get --dir=", FOLDERS),
        ("fastdl get -d", NONE),
        ("fastdl get ", NONE),
        ("fastdl get --cdn ", NONE),
        ("fastdl verify ", FILES),
        ("fastdl verify -c ", FILES),
        ("fastdl resume ", FOLDERS),
        ("fastdl resume . ", NONE),
        ("fastdl stats ", NONE),
    ],
)
def test_names_of_files(line: str, names: str) -> None:
    assert complete(*split(line)).names == names


def test_what_a_word_means_is_told() -> None:
    assert dict(complete(["get"], "--jo").words) == {"--jobs": "Files at once."}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fastdl get 'a b' c\\ d \"e f\" g", (["get", "a b", "c d", "e f"], "g")),
        ("fastdl get 'a b", (["get"], "a b")),
        ("fastdl get '' ", (["get", ""], "")),
        ("fastdl", ([], "fastdl")),
        ("fastdl x\\", ([], "x")),
    ],
)
def test_lines_are_split_as_shells_do(line: str, expected: tuple[list[str], str]) -> None:
    assert split(line) == expected


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), max_size=8), max_size=5))
def test_any_line_has_an_answer(given_words: list[str]) -> None:
    line = "fastdl " + " ".join(given_words)
    complete(*split(line))
    quoted = "fastdl " + " ".join(shlex.quote(word) for word in given_words)
    if given_words:
        assert split(quoted) == (given_words[:-1], given_words[-1])


@pytest.mark.parametrize(
    ("given_words", "place", "expected"),
    [
        ("fastdl get --retr", "2", ["--retries"]),
        ("fastdl get --cdn p", "", ["prefer"]),
        ("fastdl ver x", "1", ["verify"]),
        ("fastdl get", "7", []),
        ("", "x", [*NAMES, "help"]),
    ],
)
def test_the_question_as_typers_programs_get_it(
    given_words: str, place: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"_FASTDL_COMPLETE": "complete_bash", "COMP_WORDS": given_words, "COMP_CWORD": place}
    assert answer([], environ) == 0
    assert capsys.readouterr().out.split() == expected


def test_a_broken_config_is_no_reason_for_noise(fastdl: Runner, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[[", encoding="utf-8")
    env = {"_FASTDL_COMPLETE": "--cdn=", "FASTDL_CONFIG": str(tmp_path / "bad.toml")}
    told = fastdl("get", env=env)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[1:] == ["--cdn=auto\t", "--cdn=off\t", "--cdn=prefer\t"]


# --- in real shells --------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which `fastdl` is a command, and a folder with names to complete: here/{file.txt,folder/}."""
    programs, here = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    (here / "folder").mkdir(parents=True)
    (here / "file.txt").touch()
    if sys.platform == "win32":
        (programs / "fastdl.cmd").write_text(f'@"{sys.executable}" -m fastdl %*\n', encoding="utf-8")
    else:
        command = programs / "fastdl"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fastdl "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    environ = environment(tmp_path / "home", {"TERM": "dumb", "COLUMNS": "200", "LINES": "50"})
    (tmp_path / "home").mkdir(exist_ok=True)
    environ["PATH"] = f"{programs}{os.pathsep}{environ['PATH']}"
    yield environ


IN_BASH = r"""
eval "$(fastdl --show-completion bash)"
cd here
complete_line() {
  COMP_LINE="$1" COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
  _fastdl_complete fastdl
  printf '%s =>' "$1"
  printf ' <%s>' "${COMPREPLY[@]}"
  echo
}
while IFS= read -r line; do complete_line "$line"; done
"""


@POSIX
def test_bash(world: dict[str, str], tmp_path: Path) -> None:
    cases = {
        "fastdl ver": "<verify>",
        "fastdl get --cdn ": "<auto> <off> <prefer>",
        "fastdl get --cdn=p": "<prefer>",  # bash keeps what stands before the =
        "fastdl get --checksum sha25": "<sha256:>",
        "fastdl get --checksum=sha25": "<sha256:>",
        "fastdl get --log": "<--log>",
        "fastdl resume fo": "<folder>",
        "fastdl resume fi": "<>",
        "fastdl get -i fi": "<>",  # readline completes files by itself where nothing is said
        "fastdl get 'a b' --jo": "<--jobs>",
    }
    given = "".join(line + "\n" for line in cases)
    command = [find("bash"), "--norc", "-c", IN_BASH]
    done = subprocess.run(
        command, env=world, cwd=tmp_path, input=given, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == [f"{line} => {expected}" for line, expected in cases.items()], done.stderr
    # outside of a completion bash has no options to change, and says so
    assert not [line for line in done.stderr.splitlines() if "compopt" not in line]


@POSIX
def test_fish(world: dict[str, str], tmp_path: Path) -> None:
    cases = {
        "fastdl ver": ["verify"],
        "fastdl get --cdn ": ["auto", "off", "prefer"],
        "fastdl get --cdn=p": ["--cdn=prefer"],
        "fastdl get --checksum sha25": ["sha256:"],
        "fastdl resume f": ["folder/"],
        "fastdl get --dir=f": ["--dir=folder/"],
        "fastdl get -i f": ["file.txt", "folder/"],
        "fastdl get -i fi": ["file.txt"],
    }
    script = "fastdl --show-completion fish | source; cd here\n"
    script += "".join(f"complete -C {shlex.quote(line)}; echo ---\n" for line in cases)
    command = [find("fish"), "--no-config", "-c", script]
    done = subprocess.run(command, env=world, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    blocks = [block.split() for block in _described(done.stdout)]
    assert [sorted(block) for block in blocks] == [sorted(expected) for expected in cases.values()], done.stderr


def _described(text: str) -> list[str]:
    """The words of each answer, without what they mean."""
    return ["\n".join(row.split("\t")[0] for row in block.splitlines()) for block in text.split("---\n")[:-1]]


@POSIX
@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("fastdl get --cdn=p\t", "--cdn=prefer "),
        ("fastdl verif\t", "verify "),
        ("fastdl get --checksum sha25\t", "sha256:"),
        ("fastdl resume fo\t", "folder/"),
        ("fastdl get --dir=fo\t", "--dir=folder/"),
        ("fastdl get -i fi\t", "file.txt "),
        ("fastdl get --jo\t", "--jobs "),
    ],
)
def test_zsh(world: dict[str, str], tmp_path: Path, keys: str, shown: str) -> None:
    shell = Terminal([find("zsh"), "-f", "-i"], world, tmp_path / "here")
    try:
        shell.send("PS1='ready> '; unsetopt zle_bracketed_paste 2>/dev/null\n")
        shell.send('eval "$(fastdl --show-completion zsh)"; print lo""aded\n')
        shell.wait_for("loaded\r")
        shell.send(keys)
        shell.wait_for(keys.split()[-1].rstrip("\t"))
        shell.wait_for(shown)
    finally:
        shell.close()


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, command: list[str], environ: dict[str, str], cwd: Path) -> None:
        self.fd, far = os.openpty()
        self.process = subprocess.Popen(
            command, env=environ, cwd=cwd, stdin=far, stdout=far, stderr=far, start_new_session=True
        )
        os.close(far)
        self.seen = ""
        self._data = b""

    def send(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` was shown."""
        end = time.monotonic() + LIMIT
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} never came: {self.seen!r}"
            self._data += os.read(self.fd, 65536)  # as a whole: a sequence may come in two parts
            self.seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", "", self._data.decode("utf-8", "replace"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


def test_powershell(world: dict[str, str], tmp_path: Path) -> None:
    import shutil

    program = shutil.which("pwsh") or shutil.which("powershell")
    if program is None:
        pytest.skip("PowerShell is not installed")
    script = "fastdl --show-completion powershell | Out-String | Invoke-Expression\n"
    for line in ("fastdl ver", "fastdl get --cdn ", "fastdl get --jo"):
        script += f"(TabExpansion2 '{line}' {len(line)}).CompletionMatches.CompletionText -join ' '\n"
    command = [program, "-NoProfile", "-NonInteractive", "-Command", script]
    done = subprocess.run(command, env=world, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.splitlines()[:3] == ["verify", "auto off prefer", "--jobs"], done.stderr


# --- showing and installing ------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_shown(fastdl: Runner, shell: str) -> None:
    told = fastdl("--show-completion", shell)
    assert (told.code, told.out.replace("\r\n", "\n"), told.err) == (0, SCRIPTS[shell], "")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--show-completion", "tcsh"], "'tcsh' is no shell"),
        (["--install-completion", "bash", "zsh"], "takes one shell"),
    ],
)
def test_usage(fastdl: Runner, args: list[str], part: str) -> None:
    told = fastdl(*args)
    assert told.code == 2 and part in told.error and told.err.count("\n") == 1


@POSIX
def test_the_shell_above_is_the_one(world: dict[str, str], tmp_path: Path) -> None:
    command = [find("bash"), "--norc", "-c", "fastdl --show-completion; true"]
    done = subprocess.run(command, env=world, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == SCRIPTS["bash"], done.stderr


def test_no_shell_above(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil.Process, "parents", lambda self: [])
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert completion.shell_of(["--show-completion"]) == "zsh"
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(UsageError, match="cannot be told"):
        completion.shell_of(["--show-completion"])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_installing_adds_one_line_once(fastdl: Runner, shell: str) -> None:
    startup = {"bash": ".bash_profile" if sys.platform == "darwin" else ".bashrc", "zsh": ".zshrc"}[shell]
    real = fastdl.home / "dotfiles"
    real.write_bytes(b"alias ll='ls -l'\nno line end")
    if sys.platform == "win32":
        (fastdl.home / startup).write_bytes(real.read_bytes())
    else:
        (fastdl.home / startup).symlink_to(real)  # as people who keep theirs in a repository have it
    for _ in range(2):
        told = fastdl("--install-completion", shell)
        assert told.code == 0, told.err
        assert shell in told.err and startup in told.err
    lines = (fastdl.home / startup).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["alias ll='ls -l'", "no line end"]
    assert len(lines) == 3 and lines[2].endswith("# completion of fastdl")
    assert sys.platform == "win32" or (fastdl.home / startup).is_symlink()
    (script,) = fastdl.home.rglob(f"completion.{shell}")
    assert script.read_text(encoding="utf-8") == SCRIPTS[shell]


@POSIX
def test_what_was_installed_works(fastdl: Runner, world: dict[str, str], tmp_path: Path) -> None:
    """A folder with a quote and a blank in its name, as homes have them."""
    home = tmp_path / "it's me"
    env = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    assert fastdl("--install-completion", "bash", env=env).code == 0
    startup = home / (".bash_profile" if sys.platform == "darwin" else ".bashrc")
    script = f". {shlex.quote(str(startup))}; complete -p fastdl"
    done = subprocess.run(
        [find("bash"), "--norc", "-c", script], env=world, capture_output=True, text=True, check=False, timeout=120
    )
    assert "_fastdl_complete" in done.stdout, done.stderr


def test_fish_needs_no_line(fastdl: Runner) -> None:
    assert fastdl("--install-completion", "fish").code == 0
    (script,) = fastdl.home.rglob("fish/completions/fastdl.fish")
    assert script.read_text(encoding="utf-8") == SCRIPTS["fish"]


def test_a_startup_file_that_cannot_be_changed(fastdl: Runner) -> None:
    (fastdl.home / ".zshrc").mkdir()
    told = fastdl("--install-completion", "zsh")
    assert told.code == 6 and told.error


def test_powershells_places() -> None:
    with pytest.raises(UsageError, match="not on PATH"):
        completion.place_of("powershell", {"HOME": "/home/user", "PATH": "/nowhere"}, "linux")
