"""`fastdl config`: every setting, its value and where it came from; and the config file changed without breaking it.

`set` and `unset` write only what every later run can read: the whole new file is checked before it takes the old one's
place. What a person writes in `edit` is kept as it is, and checked afterwards.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence

from fastdl import combinations
from fastdl import config as settings_from
from fastdl.cli.parse import parse
from fastdl.cli.state import JSON, refuse, say
from fastdl.config import config_path
from fastdl.config_text import from_text, likely, place_of
from fastdl.core.hints import Any
from fastdl.core.toml_edit import loads, quoted, statements, with_key, without_key
from fastdl.errors import FastdlError, UsageError
from fastdl.options import SPELLINGS, Option
from fastdl.settings import Layer, Settings
from fastdl.ui.progress import emit
from fastdl.ui.text import safe
from fastdl.values import value_of

CONFIG_OPTIONS = (JSON,)
CONFIG_HELP = "Show every setting and where it came from; 'config path', 'edit', 'set KEY VALUE', 'unset KEY'."
WORDS = ("show", "path", "edit", "set", "unset")
HINT = "Try 'fastdl config --help'."

Values = Mapping[str, Any]


def main(args: Sequence[str]) -> int:
    """Runs `config` with the arguments after the command's name."""
    values, words = parse(args, CONFIG_OPTIONS)
    return config(values, words)


def config(values: Values, words: Sequence[str]) -> int:
    """Runs `config` with option values by key; the exit code. Raises UsageError, DiskError."""
    word, rest = (words[0], list(words[1:])) if words else ("show", [])
    if word not in WORDS:
        from difflib import get_close_matches

        close = get_close_matches(word, WORDS, 1)
        why = f"did you mean {close[0]}?" if close else f"{', '.join(WORDS[:-1])} or {WORDS[-1]} is expected"
        raise UsageError(f"config: no such command '{word}'", why, HINT)
    if word != "show":
        refuse(f"config {word}", values, JSON)
    return _COMMANDS[word](values, rest)


def _show(values: Values, words: list[str]) -> int:
    from fastdl.cli.config_shown import show

    return show([_option("show", word)[0] for word in words], as_json=bool(values.get(JSON.key)))


def _path(values: Values, words: list[str]) -> int:
    _no_more("path", words)
    say([safe(config_path(os.environ))])
    return 0


def _edit(values: Values, words: list[str]) -> int:
    _no_more("edit", words)
    from fastdl.cli.config_edit import edit

    path = config_path(os.environ)
    edit(path)
    check(settings_from.read(path, required=False), path)
    emit(sys.stderr, f"fastdl: {safe(path)} is in order")
    return 0


def _set(values: Values, words: list[str]) -> int:
    if len(words) < 2:
        why = "they are two words" if words and "=" in words[0] else ""
        raise UsageError("config set needs a key and a value", why, "For example: fastdl config set connections 8.")
    name, given = words[0].replace("_", "-"), words[1:]
    option, on = _option("set", name)
    if len(given) > 1 and option.kind != "list":
        why = f"{len(given)} words are given"
        raise UsageError(f"config set {name}: it takes one value", why, "Put a value with spaces in quotes.")
    value = _as_toml(option, [_absolute(option, word) for word in given], f"config set {name}")
    path = config_path(os.environ)

    def edit(text: str) -> str:
        mark, text = _split(text)
        loaded = _parsed(text, path)
        edited = with_key(text, name, value, _spelling(option))
        kept = {key: held for key, held in loaded.items() if not _spelling(option)(key)}
        written = next((key for key in _parsed(edited, path) if _spelling(option)(key)), name)
        _sure(edited, {**kept, written: loads(f"x = {value}")["x"]}, path)
        _check_set(_checked(text, edited, path), option)
        return mark + edited

    _change(path, edit)
    say([f"{name} = {_shown(option, value)} in {safe(path)}"])
    _warn(option, on, name, path)
    return 0


def _unset(values: Values, words: list[str]) -> int:
    if not words:
        raise UsageError("config unset needs a key", "", "For example: fastdl config unset connections.")
    path = config_path(os.environ)
    text = settings_from.read(path, required=False)
    _parsed(text, path)
    there = {statement.name for statement in statements(text) if statement.kind == "pair"}
    # What is in the file may be taken out of it, whether it is a setting or a mistake.
    spellings = [
        _literal(word) if word in there and _unknown(word) else _spelling(_option("unset", word)[0]) for word in words
    ]

    def same(key: str) -> bool:
        return any(spelling(key) for spelling in spellings)

    def edit(text: str) -> str:
        mark, text = _split(text)
        loaded = _parsed(text, path)
        if not any(same(key) for key in loaded):
            return mark + text
        edited = without_key(text, same)
        _sure(edited, {key: held for key, held in loaded.items() if not same(key)}, path)
        _checked(text, edited, path)
        return mark + edited

    changed = bool(there) and _change(path, edit)
    names = " and ".join(word.replace("_", "-") for word in words)
    say([f"{safe(names)} {'taken out of' if changed else 'not set in'} {safe(path)}"])
    return 0


_COMMANDS: dict[str, Callable[[Values, list[str]], int]] = {
    "show": _show,
    "path": _path,
    "edit": _edit,
    "set": _set,
    "unset": _unset,
}


# --- keys and values -------------------------------------------------------------------------------------


def _no_more(word: str, words: Sequence[str]) -> None:
    if words:
        raise UsageError(f"config {word} takes no more words", f"{len(words)} are given", HINT)


def _unknown(word: str) -> bool:
    return word.replace("-", "_") not in SPELLINGS


def _option(command: str, word: str) -> tuple[Option, bool]:
    """The option that a key belongs to, and False for a negated name of it. Raises UsageError."""
    key = word.replace("-", "_")
    if key == "rules" or key.startswith("rules."):
        raise UsageError(f"config {command}: rules are tables", "", "Write them with 'fastdl config edit'.")
    if key not in SPELLINGS:
        hint = "'fastdl config show' lists the keys."
        raise UsageError(f"config {command}: no such setting '{word}'", likely(key), hint)
    return SPELLINGS[key]


def _spelling(option: Option) -> Callable[[str], bool]:
    return lambda key: SPELLINGS.get(key.replace("-", "_"), (None,))[0] is option


def _literal(word: str) -> Callable[[str], bool]:
    return lambda key: key == word


def _absolute(option: Option, word: str) -> str:
    """A file that has to be there is meant from every folder; other paths (--dir) mean what they say in each."""
    needed = option.key in combinations.FILES and word and not word.startswith("~")
    return os.path.abspath(word) if needed else word


def _as_toml(option: Option, given: Sequence[str], where: str) -> str:
    """The value as the file has it, checked. Raises UsageError."""
    raw: Any = list(given) if option.kind == "list" else given[0]
    value = value_of(option, raw, where)
    try:
        if option.kind == "list":
            return "[" + ", ".join(quoted(text) for text in given) + "]"
        if option.kind == "flag":
            return "true" if value else "false"
        number = r"\d+" if option.kind in ("count", "size", "rate") else r"\d+(\.\d+)?"
        if option.kind in ("count", "size", "rate", "seconds") and re.fullmatch(number, raw, re.ASCII):
            return str(int(raw)) if raw.isdigit() else str(float(raw))
        return quoted(raw)
    except ValueError:
        raise UsageError(f"{where}: the value is not text", "it cannot be written as UTF-8") from None


def _shown(option: Option, value: str) -> str:
    """A TOML value for people: a secret is not repeated, not even to who gave it (somebody may watch)."""
    from fastdl.cli.config_shown import masked

    raw = loads(f"x = {value}")["x"]
    hidden = masked(option, raw)
    return safe(value) if hidden == raw else safe(str(hidden))


# --- the file --------------------------------------------------------------------------------------------


def check(text: str, path: str) -> Layer:
    """What the text of the config file says. Raises UsageError that names file, line and key of what is wrong, rules
    included."""
    if not text.strip():
        return {}
    layer = from_text(text, path)
    combinations.check_pairs(_beside_environment(layer), lambda key: place_of(text, path, key))
    rules = layer.get("rules")
    if rules is not None:
        from fastdl.io.rules_file import open_mapper

        open_mapper(rules.tables, rules.text, rules.path)
    return layer


def _beside_environment(layer: Layer) -> Layer:
    """With what the environment adds: a key may belong to the certificate that is named there. A fault in there is not
    the file's."""
    merged = dict(layer)
    try:
        combinations.lay(merged, settings_from.from_environment(os.environ))
    except FastdlError:
        return dict(layer)
    return merged


def _checked(before: str, after: str, path: str) -> Layer:
    """`check` for a text that is to replace another one; lines are told as they are now, in the file as it lies there.
    Raises UsageError."""
    try:
        return check(after, path)
    except UsageError as error:
        old, new = before.splitlines(), after.splitlines()
        same = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))

        def moved(found: re.Match[str]) -> str:
            line = int(found[1])
            behind = line > same and new[line - 1 :] == old[line - 1 + len(old) - len(new) :]
            return f", line {line + len(old) - len(new) if behind else line}"

        raise UsageError(re.sub(r", line (\d+)", moved, error.what, count=1), error.why, error.hint) from None


def _check_set(layer: Layer, option: Option) -> None:
    """A file that the new value names has to be there: else every later run would end with that. Raises UsageError."""
    if option.kind == "path" and option.key in layer:
        combinations.check_files(settings_from.for_file(Settings(), {option.key: layer[option.key]}))


def _parsed(text: str, path: str) -> dict[str, Any]:
    """The file as TOML. Raises UsageError."""
    from fastdl.config_text import parsed

    return parsed(text, path) if text.strip() else {}


def _split(text: str) -> tuple[str, str]:
    """The mark at the beginning (Windows' editors write one), and the rest."""
    return ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)


def _sure(edited: str, expected: Mapping[str, Any], path: str) -> None:
    """Nothing but this key has changed. Raises UsageError for a file that is written in a way that cannot be edited."""
    if _parsed(edited, path) != expected:
        what, why = f"{path} cannot be changed by a program", "it is written in an unusual way"
        raise UsageError(what, why, "Use 'fastdl config edit'.")


def _change(path: str, edit: Callable[[str], str]) -> bool:
    from fastdl.io.config_file import change

    return change(path, edit)


def _warn(option: Option, on: bool, name: str, path: str) -> None:
    """Of what makes the new value less than it seems."""
    from fastdl.cli.config_shown import masked
    from fastdl.io.config_file import open_to_others

    for key in (key for key, (other, _) in SPELLINGS.items() if other is option):
        variable = "FASTDL_" + key.upper()
        if os.environ.get(variable):
            emit(sys.stderr, f"fastdl: warning: the variable {variable} is set, and stronger than the file")
    raw = _parsed(_split(settings_from.read(path, required=False))[1], path).get(name)
    if raw is not None and masked(option, raw) != raw and open_to_others(path):
        emit(sys.stderr, f"fastdl: warning: other users can read {safe(path)}, which now holds a secret; chmod 600 it")
