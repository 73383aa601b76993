"""What the text of a config file says, option by option; complaints name file, line and key.

Apart from config.py, so that a run without a config file does not load it.
"""

from __future__ import annotations

import re

from fastdl.combinations import agreeing
from fastdl.core.hints import Any
from fastdl.core.toml_edit import line_of, loads
from fastdl.errors import UsageError
from fastdl.options import EXCLUSIVE, SPELLINGS, Option
from fastdl.settings import Layer, UserRules
from fastdl.values import value_of


def from_text(text: str, path: str) -> Layer:
    """The layer of a config file's text; `path` is for messages. Raises UsageError that names file, line and key."""
    layer: Layer = {}
    places: dict[str, str] = {}
    for written, raw in parsed(text, path).items():
        key = written.replace("-", "_")
        if key == "rules":
            layer[key] = UserRules(raw, text, path)
            continue
        option, on = SPELLINGS.get(key, (None, True))
        if option is None:
            where = _where(text, path, written)
            close = likely(key)
            if isinstance(raw, dict) and not close:
                raise UsageError(f"{where}: no such setting", "settings stand in no table", "Only rules are tables.")
            raise UsageError(f"{where}: no such setting", close, "Remove the line or correct the key.")
        if option.key in layer:
            where = _where(text, path, written)
            raise UsageError(f"{where}: set twice", "- and _ are the same in keys", "Remove one of the two.")
        value = _value(option, raw, text, path, written)
        layer[option.key] = value if on else not value
        places[option.key] = written
    try:
        return agreeing(layer, "{}")
    except UsageError as error:
        raise UsageError(f"{_last(text, path, layer, places)}: {error.what}", error.why, error.hint) from None


def _last(text: str, path: str, layer: Layer, places: dict[str, str]) -> str:
    """Where the last of the keys stands that exclude each other."""
    group = next(group for group in EXCLUSIVE if sum(key in layer and layer[key] is not False for key in group) > 1)
    written = max((places[key] for key in group if key in layer), key=lambda name: line_of(text, name))
    return _where(text, path, written)


def _value(option: Option, raw: Any, text: str, path: str, written: str) -> Any:
    try:
        return value_of(option, raw, written)
    except UsageError:
        return value_of(option, raw, _where(text, path, written))  # once more: now the line is worth looking for


def _where(text: str, path: str, written: str) -> str:
    return f"{path}, line {line_of(text, written)}, key {written}"


def place_of(text: str, path: str, key: str) -> str:
    """Where the option `key` stands in the file's text, for messages."""
    spellings = [name for name, (option, _) in SPELLINGS.items() if option.key == key]
    return _where(text, path, next(name for name in parsed(text, path) if name.replace("-", "_") in spellings))


def parsed(text: str, path: str) -> dict[str, Any]:
    """The file as TOML gives it. Raises UsageError that names file, line and, if there is one, key."""
    try:
        return loads(text)
    except RecursionError:
        raise UsageError(
            f"{path}: its tables are nested too deeply", "", "Nothing in it needs more than four."
        ) from None
    except ValueError as error:
        message = str(error)
        match = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)", message)
        line = match[1] if match is not None and match[1] else str(len(text.splitlines()))
        reason = (message[: match.start()] if match is not None else message).rstrip(".")
        found = re.match(r"\s*([A-Za-z0-9_-]+)\s*=", text.splitlines()[int(line) - 1])
        key = found[1] if found is not None else ""
        named = f", key {key}" if key else ""
        what = f"{path}, line {line}{named}: not valid TOML"
        raise UsageError(what, reason, _meant(reason, key)) from None


def _meant(reason: str, key: str) -> str:
    """What was probably meant by a line that is not TOML."""
    option, _ = SPELLINGS.get(key.replace("-", "_"), (None, True))
    if "overwrite" in reason or "twice" in reason:
        return "A key stands once: remove one of the two."
    if not key:
        return "Settings are written as connections = 8."
    if option is not None and option.kind == "flag":
        return f"Write {key} = true or {key} = false."
    return "Texts stand in quotes there."


def likely(key: str) -> str:
    """The setting that was probably meant, as a question; "" where none is near."""
    from difflib import get_close_matches

    close = get_close_matches(key, list(SPELLINGS), 1)
    return f"did you mean {close[0].replace('_', '-')}?" if close else ""
