"""What could stand at the cursor: the answers to a shell that completes a command line.

A shell's script sets `_FASTDL_COMPLETE` to the word that is being written and gives the words before it as arguments,
or, for a shell that parts words at `=` and `:`, the line up to the cursor as `_FASTDL_LINE`. The answer is a line that
says whether names of files fit there too (`files`, `folders`, `none`), then a line for each word: the word, a tab, what
it means. Nothing is contacted, and whatever goes wrong is silence: nobody wants an error in the line being typed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from fastdl.core.record import Record
from fastdl.options import Option

FILES, FOLDERS, NONE = "files", "folders", "none"
ROOT = ("--help", "--version", "--install-completion", "--show-completion")
SHELLS = ("bash", "zsh", "fish", "powershell")
BLANKS = " \t\n"


class Answer(Record):
    """Words with their meanings, and which names of files would do: FILES, FOLDERS or NONE."""

    words: tuple[tuple[str, str], ...] = ()
    names: str = NONE


def answer(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Writes the answer to a shell's question; the exit code is always 0."""
    before, current = list(args), environ.get("_FASTDL_COMPLETE", "").strip()
    if current == "complete_bash" and "COMP_WORDS" in environ:
        return _bare(environ)
    if "_FASTDL_LINE" in environ:
        before, current = split(environ["_FASTDL_LINE"])
    try:
        found = complete(before, current)
    except Exception:  # a config that cannot be read, say
        found = Answer(names=FILES)
    lines = [found.names, *(f"{word}\t{text}" for word, text in found.words)]
    sys.stdout.write("".join(line + "\n" for line in lines))
    return 0


def _bare(environ: Mapping[str, str]) -> int:
    """The words alone, for what asks as programs made with typer are asked: COMP_WORDS, and COMP_CWORD, the place."""
    before, last = split(environ["COMP_WORDS"])
    words = [*before, last]
    given = environ.get("COMP_CWORD", "")
    place = int(given) - 1 if given.isdigit() and given != "0" else len(words) - 1
    found = complete(words[:place], words[place] if place < len(words) else "")
    sys.stdout.write("".join(f"{word}\n" for word, _ in found.words))
    return 0


def complete(before: Sequence[str], current: str) -> Answer:
    """What fits in the place of `current` after the words `before` (without the program's name)."""
    found = _candidates(list(before), current)
    words = tuple((word, text) for word, text in found.words if word.startswith(current))
    return Answer(words, found.names)


def split(line: str) -> tuple[list[str], str]:
    """The words of a command line before the one at its end (without the program's name), and that one. Quotes and
    backslashes are taken away; a quote may be open."""
    words, word, quote, inside = [], "", "", False
    chars = iter(line)
    for char in chars:
        if char == "\\" and quote != "'":
            word, inside = word + next(chars, ""), True
        elif char == quote:
            quote = ""
        elif quote:
            word += char
        elif char in "'\"":
            quote, inside = char, True
        elif char in BLANKS:
            if inside:
                words.append(word)
            word, inside = "", False
        else:
            word, inside = word + char, True
    return words[1:], word


def _candidates(before: list[str], current: str) -> Answer:
    from fastdl.cli.commands import NAMES, load, options_of
    from fastdl.cli.parse import command_of
    from fastdl.errors import UsageError

    if not before:
        options = _options(options_of("get"), "fastdl", ROOT[1:]) if current.startswith("-") else ()
        return Answer((*((name, load(name).summary) for name in NAMES), ("help", "Show a page of help."), *options))
    if before[0] in ("--install-completion", "--show-completion"):
        return Answer(_plain(SHELLS) if len(before) == 1 else ())
    if before[0] == "help":
        return Answer(_plain(NAMES) if len(before) == 1 else ())
    try:
        command, rest = command_of(before)
    except UsageError:
        return Answer()
    if command not in NAMES:
        return Answer()
    return _of_command(command, rest, current)


def _of_command(command: str, rest: list[str], current: str) -> Answer:
    from fastdl.cli.commands import options_of

    options = options_of(command)
    waiting, words, ended = _read(rest, options)
    if waiting is not None:
        return _values(waiting)
    if not ended and current.startswith("--") and "=" in current:
        name = current.partition("=")[0]
        option = next((option for option in options if name == f"--{option.name}" and option.takes_value), None)
        found = _values(option) if option is not None else Answer()
        return Answer(tuple((f"{name}={word}", text) for word, text in found.words), found.names)
    if not ended and current.startswith("-"):
        return Answer(_options(options, command))
    return _words(command, words)


def _read(args: Sequence[str], options: Sequence[Option]) -> tuple[Option | None, list[str], bool]:
    """The option whose value comes next, the other words so far, and whether `--` stood among them."""
    names = {f"--{option.name}": option for option in options}
    names |= {f"-{option.short}": option for option in options if option.short}
    words: list[str] = []
    waiting: Option | None = None
    for place, arg in enumerate(args):
        if waiting is not None:
            waiting = None
        elif arg == "--":
            return None, words + list(args[place + 1 :]), True
        elif arg.startswith("--"):
            option = names.get(arg)
            waiting = option if option is not None and option.takes_value else None
        elif arg.startswith("-") and arg != "-":
            waiting = _last_of(arg, names)
        else:
            words.append(arg)
    return waiting, words, False


def _last_of(arg: str, names: Mapping[str, Option]) -> Option | None:
    """The option of joined letters that still wants a value."""
    for place, letter in enumerate(arg[1:], 2):
        option = names.get("-" + letter)
        if option is not None and option.takes_value:
            return option if place == len(arg) else None
    return None


def _options(options: Iterable[Option], command: str, more: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    rows = [("--" + option.name, option.help) for option in options]
    rows += [("--no-" + option.name, f"Not: {option.help}") for option in options if option.negatable]
    return (*rows, ("--help", f"Show the help of {command}."), *_plain(more))


def _plain(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((word, "") for word in words)


# --- values ----------------------------------------------------------------------------------------------


def _values(option: Option) -> Answer:
    """What an option may be given."""
    if option.kind == "path" or option.metavar.startswith("FILE"):
        return Answer(names=FOLDERS if option.metavar == "DIR" else FILES)
    if option.name == "checksum":
        from fastdl.core.verify import LENGTHS

        return Answer(_plain(f"{name}:" for name in LENGTHS))
    if option.name == "region":
        return Answer(_plain(("auto", *_regions())))
    return Answer(_plain(option.words))


def _words(command: str, words: Sequence[str]) -> Answer:
    """What may stand besides options."""
    if command in ("verify", "resume"):
        return Answer(names=FILES if command == "verify" else FOLDERS if not words else NONE)
    if command == "mirrors":
        return Answer((("test", "Measure the sources of a URL."), *_plain(_ecosystems())) if not words else ())
    if command == "cache":
        return Answer((("info", "What is remembered."), ("clear", "Forget it.")) if not words else ())
    if command == "history":
        return Answer((("clear", "Remove all."),) if not words else ())
    if command == "config":
        return _of_config(words)
    return Answer()


def _of_config(words: Sequence[str]) -> Answer:
    from fastdl.options import SPELLINGS

    if not words:
        return Answer(_plain(("show", "path", "edit", "set", "unset")))
    if words == ["set"] or words[0] in ("show", "unset"):
        return Answer(tuple((key.replace("_", "-").strip("-"), option.help) for key, (option, _) in SPELLINGS.items()))
    if len(words) == 2 and words[0] == "set":
        option, _ = SPELLINGS.get(words[1].replace("-", "_"), (None, True))
        if option is not None:
            return _values(option) if option.takes_value else Answer(_plain(("true", "false")))
    return Answer()


def _ecosystems() -> list[str]:
    from fastdl.io.rules_file import load_pack

    return sorted({rule.id for rule in load_pack().rules()})


def _regions() -> list[str]:
    from fastdl.io.rules_file import load_pack

    return sorted({mirror.region for rule in load_pack().rules() for mirror in rule.mirrors} - {"", "auto"})
