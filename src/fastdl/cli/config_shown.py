"""What `fastdl config show` says: every setting, its value, and the place that it comes from."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from fastdl import combinations, config
from fastdl.cli.session import is_terminal
from fastdl.cli.state import say
from fastdl.config_text import parsed
from fastdl.core.hints import Any
from fastdl.core.record import Record
from fastdl.core.shown import mask
from fastdl.core.toml_edit import line_of
from fastdl.errors import UsageError
from fastdl.options import BY_KEY, OPTIONS, SETTINGS, SPELLINGS, Option
from fastdl.settings import Layer
from fastdl.ui.table import table
from fastdl.ui.text import columns, safe
from fastdl.values import value_of

HIDDEN = "***"
UNKNOWN_WIDTH = 1000  # columns, where no person looks at a terminal


class Shown(Record):
    """One setting. `text`: its value for people; `value`: for programs, None where it has none; `source`: default, file
    or environment; `place`: the variable, or the line of the file."""

    key: str
    value: Any
    text: str
    source: str
    place: str | int | None = None


def show(wanted: Sequence[Option], *, as_json: bool) -> int:
    """Print the settings, or those that are `wanted`. Raises UsageError where the file or a variable is wrong."""
    path = config.config_path(os.environ)
    text = config.read(path, required=bool(os.environ.get("FASTDL_CONFIG")))
    chosen = [row for row in shown(text, path, os.environ) if not wanted or row.key in {each.name for each in wanted}]
    rules = sorted(parsed(text, path).get("rules", {})) if text.strip() else []
    if as_json:
        told = {"path": path, "exists": os.path.exists(path), "settings": [row._asdict() for row in chosen]}
        say([json.dumps(told | {"rules": rules})])
        return 0
    file = "the config file" + ("" if os.path.exists(path) else ", which is not there yet")
    about = [] if wanted else [f"{safe(path)}: {file}", ""]
    say([*about, *_lines(chosen), *([f"rules: {safe(', '.join(rules))}"] if rules and not wanted else [])])
    return 0


def shown(text: str, path: str, environ: Mapping[str, str]) -> list[Shown]:
    """A row for every setting, in the order of the options. Raises UsageError."""
    from fastdl.cli.config import check

    file = check(text, path)
    variables = config.from_environment(environ)
    merged: Layer = {}
    combinations.lay(merged, file)
    combinations.lay(merged, variables)
    combinations.check_pairs(merged, lambda key: BY_KEY[key].variable)
    written = _written(text, path)
    rows = []
    for option in (*OPTIONS, *SETTINGS):
        if option.key not in merged:
            rows.append(Shown(option.name, _typed(option), option.default or _none(option), "default"))
        elif option.key in variables:
            key, raw = _variable(option, environ)
            rows.append(_given(option, merged[option.key], raw, "environment", key))
        else:
            name, raw = written[option.key]
            rows.append(_given(option, merged[option.key], raw, "file", line_of(text, name)))
    return rows


def masked(option: Option, raw: Any) -> Any:
    """A value with all that is secret in it as `***`: passwords, what headers say, userinfo of URLs. A user name too: a
    token often stands in its place."""
    if isinstance(raw, list):
        return [masked(option, item) for item in raw]
    if not isinstance(raw, str):
        return raw
    if option.name == "user":
        return HIDDEN
    if option.name == "header":
        return "\n".join(_header(line) for line in raw.splitlines())
    return mask(raw if option.name != "proxy" or "://" in raw else f"http://{raw}")


def secrets(text: str, path: str) -> bool:
    """Whether the text of the config file holds something that is masked. Raises UsageError."""
    return any(masked(BY_KEY[key], raw) != raw for key, (_, raw) in _written(text, path).items() if key in BY_KEY)


def _header(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}: {HIDDEN}" if colon else line


def _none(option: Option) -> str:
    return "off" if option.kind == "flag" else "none"


def _typed(option: Option) -> Any:
    """The default for programs; None where it is no plain value."""
    if option.kind == "flag":
        return option.default == "on"
    try:
        plain = option.kind in ("count", "size", "rate", "seconds", "choice") and option.default
        return value_of(option, option.default, "") if plain else None
    except UsageError:
        return None  # a description


def _written(text: str, path: str) -> dict[str, tuple[str, Any]]:
    """Of each option in the file: its key as it is written there, and the value."""
    document = parsed(text, path) if text.strip() else {}
    found = {}
    for written, raw in document.items():
        option, _ = SPELLINGS.get(written.replace("-", "_"), (None, True))
        if option is not None:
            found[option.key] = (written, raw)
    return found


def _variable(option: Option, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that sets an option, and its value."""
    names = ["FASTDL_" + key.upper() for key, (other, _) in SPELLINGS.items() if other is option]
    name = next(name for name in names if environ.get(name))
    return name, environ[name]


def _given(option: Option, value: Any, raw: Any, source: str, place: str | int) -> Shown:
    """The row of a setting that stands somewhere. `value`: what it means; `raw`: as it is written."""
    hidden = masked(option, raw)
    if option.kind == "flag":
        return Shown(option.name, value, "on" if value else "off", source, place)
    if option.kind == "list":
        items = (
            hidden if isinstance(hidden, list) else hidden.splitlines() if option.name == "header" else hidden.split()
        )
        return Shown(option.name, items, (", " if option.name == "header" else " ").join(items), source, place)
    typed = value if isinstance(value, int | float) else hidden
    return Shown(option.name, typed, str(hidden), source, place)


# --- for people ------------------------------------------------------------------------------------------


def _lines(rows: Sequence[Shown]) -> list[str]:
    """A line each; where the terminal is too narrow, the place goes below."""
    wide = table([[row.key, row.text, _place(row)] for row in rows])
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else UNKNOWN_WIDTH
    if max(columns(line) for line in wide) <= width:
        return wide
    lines = []
    for row in rows:
        line = f"{row.key} = {safe(row.text)}"
        place = f"({safe(_place(row))})"
        fits = columns(line) + columns(place) < width
        lines += [f"{line} {place}"] if fits else [line, f"    {place}"]
    return lines


def _place(row: Shown) -> str:
    return "default" if row.source == "default" else f"line {row.place}" if row.source == "file" else str(row.place)
