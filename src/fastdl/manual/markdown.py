"""docs/options.md: every command and every option with its names, default, variable, config key and meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fastdl.cli.commands import Command
from fastdl.cli.pages import EXIT_CODES, GLOBAL_OPTIONS, OWN_CODES, PLACES, QUANTITIES, SHORT, form_of
from fastdl.options import BY_KEY, SETTINGS, Option

INTRODUCTION = (
    "<!-- Made by `python -m fastdl.manual` from the tables of the code; changes belong there. -->\n\n"
    "# Options\n\n"
    "Every command and every option. `fastdl COMMAND --help` and the man page are made from the same tables. What\n"
    "scripts may rely on stands in [cli.md](cli.md)."
)
HEAD = "| option | default | in the config file, for example | in the environment | meaning |\n|---|---|---|---|---|"
SAMPLES: dict[str, str | int] = {
    "bearer-env": "TOKEN",
    "checksum": "sha256:" + "0123456789abcdef" * 4,
    "connect-to": "example.org:443:192.0.2.1:8443",
    "connections": 8,
    "dir": "downloads",
    "header": "X-Team: build",
    "interface": "eth0",
    "limit-rate": "2M",
    "max-size": "4G",
    "mirror": "https://mirror.example.com/disk.iso",
    "on-complete": "notify-send {path}",
    "output": "disk.iso",
    "proxy": "http://proxy.example.com:3128",
    "referer": "https://example.org/",
    "region": "de",
    "user": "alice",
    "user-agent": "build/1.0",
}
"""A value for each option whose kind does not suggest one."""


REPEATED = (
    "An option that can be repeated is an array in the file; in the environment headers stand one a line, the others "
    "are parted by blanks."
)


def reference(commands: Sequence[Command]) -> str:
    """The page."""
    get = next(command for command in commands if command.name == "get")
    blocks = [INTRODUCTION, f"{SHORT}\n\n{PLACES} {REPEATED} {QUANTITIES}"]
    blocks.append("## Commands\n\n" + _table("| command | what it does |\n|---|---|", map(_listed, commands)))
    rows = [f"| `{names}` | {_text(text)} |" for names, text in GLOBAL_OPTIONS]
    blocks.append("Without a command:\n\n" + _table("| option | meaning |\n|---|---|", rows))
    for command in commands:
        blocks += _command(command, get)
    blocks.append(_settings())
    blocks.append("## Exit codes\n\n" + _codes(EXIT_CODES))
    return "\n\n".join(blocks) + "\n"


def _listed(command: Command) -> str:
    words = command.words.replace("|", "\\|")
    return f"| [`{f'fastdl {command.name} {words}'.strip()}`](#{command.name}) | {_text(command.summary)} |"


def _command(command: Command, get: Command) -> Iterator[str]:
    yield f"## {command.name}\n\n{_text(command.summary)}\n\n```text\n{command.usage}\n```"
    shared = [] if command is get else [option for option in command.options if option in get.options]
    own = [option for option in command.options if option not in shared]
    groups = list(dict.fromkeys(option.group for option in own))
    for group in groups:
        table = _table(HEAD, [_option(option) for option in own if option.group == group])
        yield (f"### {group}\n\n" if command is get else "") + table
    if shared:
        yield _shared(shared, get)
    if command.name in OWN_CODES:
        yield "Exit codes:\n\n" + _codes(OWN_CODES[command.name])
    if command.examples:
        rows = [f"| `{line.replace('|', chr(92) + '|')}` | {_text(text)} |" for line, text in command.examples]
        yield _table("| example | what it does |\n|---|---|", rows)


def _shared(shared: Sequence[Option], get: Command) -> str:
    missing = [option for option in get.options if option not in shared]
    if not missing:
        return "It takes all options of [`get`](#get)."
    if len(missing) < len(shared):
        return f"It takes all options of [`get`](#get) but {_names(missing)}."
    return f"Of the options of [`get`](#get) it takes {_names(shared)}."


def _names(options: Iterable[Option]) -> str:
    return ", ".join(f"`--{option.name}`" for option in options)


def _option(option: Option) -> str:
    names = [f"-{option.short}"] if option.short else []
    names += [f"--{option.name}"] + [f"--no-{option.name}"] * option.negatable
    form = " " + form_of(option).replace("|", "\\|") if option.takes_value else ""
    spelled = ", ".join(f"`{name}`" for name in names[:-1]) + ", " * (len(names) > 1) + f"`{names[-1]}{form}`"
    default = f"{_text(option.default)}" if option.default != "none" else ""
    known = BY_KEY.get(option.key) is option
    written = f"`{sample(option)}` | `{option.variable}`" if known else " | "
    return f"| {spelled} | {default} | {written} | {_text(option.help)} |"


def sample(option: Option) -> str:
    """A line of the config file that sets the option."""
    value: str | int = "true" if not option.takes_value else SAMPLES.get(option.name) or _usual(option)
    shown = str(value) if option.kind == "flag" or isinstance(value, int) else f'"{value}"'
    return f"{option.name} = " + (f"[{shown}]" if option.kind == "list" else shown)


def _usual(option: Option) -> str | int:
    if option.kind == "choice":
        return option.words[-1] if option.words[-1] != option.default else option.words[0]
    if option.default.isdigit():
        return int(option.default)
    usual: dict[str, str | int] = {"count": 4, "size": "1M", "rate": "2M", "seconds": 60, "path": "file.txt"}
    return usual.get(option.kind, "text")


def _settings() -> str:
    rows = []
    for option in SETTINGS:
        value = "false" if option.kind == "flag" else f'"{option.default}"'
        written = f"`{option.name} = {value}` | `{option.variable}`"
        rows.append(f"| `{option.name}` | {option.default} | {written} | {_text(option.help)} |")
    head = HEAD.replace("option", "key")
    return "## Of the config file and the environment alone\n\n" + _table(head, rows)


def _codes(codes: Iterable[tuple[int, str]]) -> str:
    return _table("| code | meaning |\n|---|---|", [f"| {code} | {_text(text)} |" for code, text in codes])


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, *rows])


def _text(text: str) -> str:
    """Plain text for a cell: nothing of it is markup, and options stand as code."""
    text = re.sub(r"([\\|<>*_\[\]])", r"\\\1", text)
    return re.sub(r"(?<![\w`-])(--?[a-z][\w-]*)", r"`\1`", text)
