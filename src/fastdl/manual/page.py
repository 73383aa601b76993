"""The man page, in man(7): every command, every option once, examples, exit codes, variables, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastdl.cli.commands import Command
from fastdl.cli.pages import EXIT_CODES, GLOBAL_OPTIONS, OWN_CODES, PLACES, QUANTITIES, SHORT, default_of, form_of
from fastdl.home import ISSUES
from fastdl.manual.roff import bold, italic, paragraph, request, tagged, verbatim
from fastdl.options import SETTINGS, Option

DATE = "2026-11-21"  # when the prose of this module was last changed: what comes from tables has no date of its own

ABOUT = (
    "fastdl downloads files over HTTP and HTTPS through several connections, from several sources where they serve "
    "the same file, continues what was cut off, and checks what it got. Nothing stands under the final name before "
    "size and digest are right. " + SHORT + " Options may stand before or after URLs; -- ends them."
)
VARIABLES: tuple[tuple[str, str], ...] = (
    ("FASTDL_CONFIG", "The config file, instead of the usual one."),
    ("FASTDL_STATE_DIR", "The folder for what is remembered, instead of the usual one."),
    ("FASTDL_RELEASES", "The address that 'fastdl upgrade' asks for the newest release."),
    ("FASTDL_RELEASES_AUTHORITY", "Who attests builds at that address: a PEM file of certificates, or 'none'."),
    ("http_proxy, https_proxy, all_proxy, no_proxy", "Proxies, and the hosts that need none; capitals work too."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Authorities to trust instead of the system's."),
    ("NO_COLOR, TERM, COLUMNS", "How the terminal is written to."),
)
FILES: tuple[tuple[str, str], ...] = (
    ("NAME.fastdl", "The data of a download that is not done, in full size."),
    ("NAME.fastdl.journal", "Which ranges of it have arrived, and from where."),
    (
        "~/.config/fastdl/config.toml",
        "The config file on Linux. macOS: ~/Library/Application Support/fastdl; Windows: %APPDATA%\\fastdl.",
    ),
    (
        "~/.local/state/fastdl",
        "What was learned of servers, and the history, on Linux. macOS: as above; Windows: %LOCALAPPDATA%\\fastdl.",
    ),
)


def page(commands: Sequence[Command]) -> str:
    """The source of fastdl(1)."""
    lines = [
        '.\\" Made by python -m fastdl.manual from the tables of the code; changes belong there.',
        f'.TH FASTDL 1 "{DATE}" "fastdl" "User Commands"',
        *[".SH NAME", "fastdl \\- download files fast, verified and resumable"],
        *[".SH SYNOPSIS", *_synopsis(commands)],
        *[".SH DESCRIPTION", *paragraph(ABOUT)],
        *[".SH COMMANDS", *(line for command in commands for line in _command(command))],
        *_options(commands),
        *[".SH EXAMPLES", *[line for command in commands for line in _examples(command)][1:]],
        *[".SH EXIT STATUS", *_codes(EXIT_CODES)],
        *(line for name, codes in OWN_CODES.items() for line in [request("SS", f"Of fastdl {name}"), *_codes(codes)]),
        *[".SH ENVIRONMENT", *paragraph(PLACES)],
        *(line for names, text in VARIABLES for line in tagged(bold(names), text)),
        *[".SH FILES", *(line for name, text in FILES for line in tagged(italic(name), text))],
        *[".SH REPORTING BUGS", *paragraph(ISSUES)],
        *[".SH SEE ALSO", ".BR aria2c (1),", ".BR curl (1),", ".BR sha256sum (1),", ".BR wget (1)"],
    ]
    return "\n".join(lines) + "\n"


def _synopsis(commands: Sequence[Command]) -> Iterator[str]:
    for number, command in enumerate(commands):
        if number:
            yield ".br"
        rest = command.usage.removeprefix(f"fastdl {command.name}").strip()
        yield " ".join([bold(f"fastdl {command.name}"), *([italic(rest)] if rest else [])])
    yield from (".br", f"{bold('fastdl')} {italic('[OPTIONS] URL...')}")


def _command(command: Command) -> list[str]:
    tag = bold(command.name) + (f" {italic(command.words)}" if command.words else "")
    return tagged(tag, command.summary)


def _options(commands: Sequence[Command]) -> Iterator[str]:
    """The options of get in their groups, then what each other command has besides them."""
    yield ".SH OPTIONS"
    for names, text in GLOBAL_OPTIONS:
        yield from tagged(bold(names), text)
    get = next(command for command in commands if command.name == "get")
    for group in dict.fromkeys(option.group for option in get.options):
        yield request("SS", f"Of get: {group.lower()}")
        for option in get.options:
            if option.group == group:
                yield from tagged(_tag(option), option.help + default_of(option))
    for command in commands:
        if command is not get and command.options:
            yield request("SS", f"Of {command.name}")
            yield from _others(command, get)
    yield request("SS", "Of the config file and the environment alone")
    for option in SETTINGS:
        yield from tagged(bold(option.name), option.help + default_of(option))
    yield ".PP"
    yield from paragraph(QUANTITIES)


def _others(command: Command, get: Command) -> Iterator[str]:
    own = [option for option in command.options if option not in get.options]
    for option in own:
        yield from tagged(_tag(option), option.help + default_of(option))
    shared = [f"--{option.name}" for option in command.options if option in get.options]
    missing = [f"--{option.name}" for option in get.options if option not in command.options]
    if not shared:
        return
    yield from [".PP"] * bool(own)
    if not missing:
        yield from paragraph("All options of get.")
    elif len(missing) < len(shared):
        yield from paragraph(f"All options of get but {', '.join(missing)}.")
    else:
        yield from paragraph(f"Of the options of get: {', '.join(shared)}.")


def _tag(option: Option) -> str:
    names = [f"-{option.short}"] if option.short else []
    names += [f"--{option.name}"] + [f"--no-{option.name}"] * option.negatable
    return ", ".join(bold(name) for name in names) + (f" {italic(form_of(option))}" if option.takes_value else "")


def _examples(command: Command) -> Iterator[str]:
    for line, text in command.examples:
        yield from (".PP", *paragraph(text), *verbatim([line]))


def _codes(codes: Sequence[tuple[int, str]]) -> Iterator[str]:
    for code, text in codes:
        yield from tagged(bold(str(code)), text[:1].upper() + text[1:] + ".")
