"""The rules of `stats --check`: from TOML tables to checked Rules. Every complaint names the file, the line and what
was meant.

A value says its unit where one could be wrong by a factor: shares are `"5%"`, rates `"2M"`; only pure numbers
(downloads a day, faults a download) are plain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from fastdl.core.hints import Any
from fastdl.core.pattern import pattern
from fastdl.core.quantity import parse_rate, parse_seconds, parse_size
from fastdl.core.shown import clean
from fastdl.core.thresholds import METRICS, RATES, SHARES, SMALL, Rule
from fastdl.core.toml_edit import statements
from fastdl.errors import UsageError

MOST_RULES = 1000
LONGEST_SPAN = 3660.0  # days
CONDITIONS = ("fell_by", "rose_by", "below", "above")
_PERCENT = pattern(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%")
_HINT = "docs/monitoring.md has examples."


def rules_of(tables: Mapping[str, Any], text: str, path: str) -> list[Rule]:
    """The rules of a file. `tables`: what TOML made of its `text`; `path` names it. Raises UsageError."""
    lines = _Lines(text)
    for key in tables:
        if key != "rule":
            where = f"{path}, line {lines.of_key(key)}, key {clean(key, 60)}"
            raise UsageError(f"{where}: not known", "rules are tables that begin with [[rule]]", _HINT)
    given = tables.get("rule", [])
    if not isinstance(given, list) or not all(isinstance(table, dict) for table in given):
        where = f"{path}, line {lines.of_key('rule')}, key rule"
        raise UsageError(f"{where}: not a list of rules", "each begins with [[rule]]", _HINT)
    if not given:
        raise UsageError(f"{path}: there is no rule in it", "a check of nothing would always be well", _HINT)
    if len(given) > MOST_RULES:
        raise UsageError(f"{path}: too many rules", f"{len(given)}, at most {MOST_RULES}", _HINT)
    return [_Table(table, number, lines, path).rule() for number, table in enumerate(given)]


class _Lines:
    """Where the rules and their keys stand."""

    def __init__(self, text: str) -> None:
        self._tables: list[int] = []
        self._keys: dict[tuple[int, str], int] = {}
        line, at = 1, 0
        for statement in statements(text):
            line, at = line + text.count("\n", at, statement.start), statement.start
            if statement.kind == "table":
                self._tables.append(line)
                self._keys.setdefault((-1, statement.name), line)
            elif statement.kind == "pair":
                self._keys.setdefault((len(self._tables) - 1, statement.name), line)

    def of_key(self, key: str, table: int = -1) -> int:
        """The line of a key in the table of this number (-1: none), else of the table, else 1."""
        return self._keys.get((table, key)) or self.of_table(table)

    def of_table(self, table: int) -> int:
        return self._tables[table] if 0 <= table < len(self._tables) else 1


class _Table:
    """One rule as it was written."""

    def __init__(self, table: Mapping[str, Any], number: int, lines: _Lines, path: str) -> None:
        self._table = table
        self._number = number
        self._lines = lines
        self._path = path

    def rule(self) -> Rule:
        """Raises UsageError."""
        for key in self._table:
            if key not in _KEYS:
                close = get_close_matches(key, _KEYS, 1)
                meant = f"did you mean {close[0]}?" if close else "known are " + ", ".join(_KEYS)
                raise self._wrong(key, "no such key", meant)
        metric = self._metric()
        given = [key for key in CONDITIONS if key in self._table]
        if not given:
            raise self._wrong("", "the rule has no threshold", f"one of {', '.join(CONDITIONS)} is expected")
        for one, other in (("fell_by", "rose_by"), ("below", "above")):
            if one in given and other in given:
                raise self._wrong(
                    other, f"{one} and {other} exclude each other", "a rule looks one way; write two rules"
                )
        compares = "fell_by" in given or "rose_by" in given
        if "against" in self._table and not compares:
            raise self._wrong("against", "nothing is compared", "it belongs to fell_by or rose_by")
        if "smallest" in self._table and metric != "throughput":
            raise self._wrong("smallest", "it is for throughput alone")
        return self._made(metric)

    def _made(self, metric: str) -> Rule:
        return Rule(
            metric,
            self._value("days", _days, 7.0),
            self._value("against", _days, 30.0),
            self._value("fell_by", lambda raw: _share(raw, most=1.0), None),
            self._value("rose_by", _share, None),
            self._value("below", lambda raw: _amount(metric, raw), None),
            self._value("above", lambda raw: _amount(metric, raw), None),
            self._value("host", _host, ""),
            self._value("least", _least, 5),
            self._value("smallest", _size, SMALL),
            self._value("name", _name, ""),
            self._lines.of_table(self._number),
        )

    def _metric(self) -> str:
        metric = self._table.get("metric")
        if metric in METRICS and isinstance(metric, str):
            return metric
        if metric is None:
            raise self._wrong("", "the rule has no metric", f"one of {', '.join(METRICS)} is expected")
        close = get_close_matches(str(metric), METRICS, 1)
        meant = f"did you mean {close[0]}?" if close else f"one of {', '.join(METRICS)} is expected"
        raise self._wrong("metric", f"no such metric '{clean(str(metric), 60)}'", meant)

    def _value(self, key: str, read: Callable[[Any], Any], default: Any) -> Any:
        if key not in self._table:
            return default
        try:
            return read(self._table[key])
        except UsageError as error:
            raise self._wrong(key, error.what, error.why) from None

    def _wrong(self, key: str, what: str, why: str = "") -> UsageError:
        if key:
            place = f"line {self._lines.of_key(key, self._number)}, key {clean(key, 60)}"
        else:
            place = f"line {self._lines.of_table(self._number)}"
        return UsageError(f"{self._path}, {place}: {what}", why, _HINT)


_KEYS = ("metric", "days", "against", *CONDITIONS, "host", "least", "smallest", "name")


# --- single values ---------------------------------------------------------------------------------------


def _shown(raw: Any) -> str:
    return f"'{clean(str(raw), 40)}'"


def _number(raw: Any) -> float | None:
    """A finite number of TOML, which has booleans, nan and inf of its own."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw) if abs(raw) < 1e18 else None


def _days(raw: Any) -> float:
    days = _number(raw)
    if days is None or not 0 < days <= LONGEST_SPAN:
        raise UsageError(
            f"{_shown(raw)} is not valid", f"days are expected, more than 0 and at most {LONGEST_SPAN:.0f}"
        )
    return days


def _share(raw: Any, most: float = 1000.0) -> float:
    """A fraction above 0, written as a percentage: a plain 30 could mean either."""
    found = _PERCENT.fullmatch(raw.strip()) if isinstance(raw, str) else None
    share = float(found[1]) / 100 if found is not None else 0.0
    if not 0 < share <= most:
        bound = " and at most 100%" if most == 1.0 else ""
        raise UsageError(f"{_shown(raw)} is not valid", f'a percentage above 0{bound} is expected, such as "30%"')
    return share


def _amount(metric: str, raw: Any) -> float:
    """A value in the metric's own unit."""
    if metric in SHARES:
        found = _PERCENT.fullmatch(raw.strip()) if isinstance(raw, str) else None
        if found is None or float(found[1]) > 100:
            raise UsageError(f"{_shown(raw)} is not valid", 'a percentage is expected, such as "5%"')
        return float(found[1]) / 100
    if isinstance(raw, str) and metric in RATES:
        rate = parse_rate(raw) if metric == "throughput" else parse_size(raw)
        if isinstance(rate, int):
            return float(rate)
    if isinstance(raw, str) and metric == "duration":
        return parse_seconds(raw)
    amount = _number(raw)
    if amount is None or amount < 0:
        unit = {"throughput": 'bytes a second are expected, such as "2M"', "volume": 'bytes a day, such as "10G"'}
        unit["duration"] = "seconds are expected"
        raise UsageError(f"{_shown(raw)} is not valid", unit.get(metric, "a number is expected, 0 or more"))
    return amount


def _host(raw: Any) -> str:
    if not isinstance(raw, str) or not raw or "/" in raw or "@" in raw or not raw.isprintable() or " " in raw:
        raise UsageError(f"{_shown(raw)} is no host", 'a name is expected, such as "*.example.org"')
    return raw.lower()


def _least(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= 1_000_000:
        raise UsageError(f"{_shown(raw)} is not valid", "a whole number of downloads is expected, 1 or more")
    return raw


def _size(raw: Any) -> int:
    if isinstance(raw, str):
        return parse_size(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise UsageError(f"{_shown(raw)} is not valid", 'bytes are expected, such as "1M"')
    return raw


def _name(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise UsageError(f"{_shown(raw)} is no name", "text in quotes is expected")
    return clean(raw, 200)
