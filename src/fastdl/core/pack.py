"""The rule pack: all rules, found by host.

A pack knows hundreds of mirrors, a download needs those of one host. So it is text with one rule a line and an index by
host at its head: only the rules of the host asked for are parsed, and a pattern is compiled when a URL first gets as
far as it. A host that no rule knows does not even load the types of a rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record

if TYPE_CHECKING:
    from fastdl.core.rules import Rule

FORMAT = 1  # of the pack; another one is refused


class Limits(Record):
    """What no rule may do or map."""

    never: tuple[str, ...] = ()  # domains of malicious operators
    endings: tuple[str, ...] = ()  # of signatures and digest lists
    names: frozenset[str] = frozenset()  # the same, whole file names in lower case
    moving: frozenset[str] = frozenset()  # path segments that point at something else tomorrow

    def forbids(self, host: str) -> bool:
        return any(host == domain or host.endswith("." + domain) for domain in self.never)


class Pack:
    """Rules, found by host; parsed and compiled as they are asked for. Not locked: every step may be done twice."""

    __slots__ = ("_compiled", "_hosts", "_ids", "_lines", "_operators", "_rules", "limits")

    def __init__(
        self,
        ids: Mapping[str, int],
        hosts: Mapping[str, Sequence[int]],
        rules: Mapping[int, Rule],
        limits: Limits,
        lines: Sequence[str] = (),
        operators: Sequence[Sequence[str]] = (),
    ) -> None:
        self._ids = ids  # rule to number; the numbers are the order
        self._hosts = hosts
        self._rules = dict(rules)  # the ones that are parsed
        self._lines = lines
        self._operators = operators
        self._compiled: dict[str, re.Pattern[str]] = {}
        self.limits = limits

    @classmethod
    def from_text(cls, text: str) -> Pack:
        """Of the file that `fastdl.data.build` writes. Raises ValueError where it is not one."""
        lines = text.split("\n")
        head = json.loads(lines[0] + "]}")
        _check_format(head)
        ids = {name: number for number, name in enumerate(head["ids"])}
        return cls(ids, head["hosts"], {}, _limits(head), lines[1 : 1 + len(ids)], head["operators"])

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Pack:
        """Of the same file, parsed as a whole. Raises ValueError."""
        from fastdl.core.rules import rule_of

        _check_format(obj)
        rules = {number: rule_of(raw, obj["operators"]) for number, raw in enumerate(obj["rules"])}
        return cls({rule.id: number for number, rule in rules.items()}, obj["hosts"], rules, _limits(obj))

    def with_user_rules(self, tables: Mapping[str, Any], text: str = "", path: str = "") -> Pack:
        """This pack, changed by the `rules` tables of a config file: see `core.user_rules`. Raises UsageError."""
        from fastdl.core.user_rules import applied

        return applied(self, tables, text, path)

    def changed(self, rules: Mapping[str, Rule | None]) -> Pack:
        """A pack with these rules in the place of the ones of the same id; None: without it. New ones come first."""
        ids = {name: number for name, number in self._ids.items() if name not in rules}
        gone = {self._ids[name] for name in rules if name in self._ids}
        hosts = {host: [number for number in numbers if number not in gone] for host, numbers in self._hosts.items()}
        parsed = {number: rule for number, rule in self._rules.items() if number not in gone}
        new = [name for name, rule in rules.items() if rule is not None and name not in self._ids]
        first = min(self._ids.values(), default=0) - len(new)
        for name, rule in rules.items():
            if rule is None:
                continue
            number = first + new.index(name) if name in new else self._ids[name]
            ids[name], parsed[number] = number, rule
            for host in rule.hosts:
                hosts.setdefault(host, []).append(number)
        return Pack(ids, hosts, parsed, self.limits, self._lines, self._operators)

    def rules(self) -> Iterator[Rule]:
        """All rules; those that the user added first, then by rank."""
        return (self._numbered(number) for number in sorted(self._ids.values()))

    def rule(self, name: str) -> Rule | None:
        """The rule of this id."""
        return self._numbered(self._ids[name]) if name in self._ids else None

    def rules_for(self, host: str) -> tuple[Rule, ...]:
        """The rules that name this host, special ones before what they extend."""
        numbers: set[int] = set()
        for name in _spellings(host):
            numbers.update(self._hosts.get(name, ()))
        return tuple(self._numbered(number) for number in sorted(numbers))

    def compiled(self, regex: str) -> re.Pattern[str]:
        """The pattern, compiled at its first use."""
        found = self._compiled.get(regex)
        if found is None:
            found = self._compiled[regex] = re.compile(regex)
        return found

    def _numbered(self, number: int) -> Rule:
        rule = self._rules.get(number)
        if rule is None:
            from fastdl.core.rules import rule_of

            raw = json.loads(self._lines[number].rstrip().rstrip(","))
            rule = self._rules[number] = rule_of(raw, self._operators)
        return rule


def _spellings(host: str) -> Iterator[str]:
    """How the index may name a host: as it is, or with "*" for one of its labels."""
    yield host
    labels = host.split(".")
    for place in range(len(labels)):
        yield ".".join([*labels[:place], "*", *labels[place + 1 :]])


def _check_format(head: Mapping[str, Any]) -> None:
    if head.get("format") != FORMAT:
        raise ValueError(f"the rule pack has format {head.get('format')!r}, not {FORMAT}")


def _limits(head: Mapping[str, Any]) -> Limits:
    skip = head["skip"]
    return Limits(tuple(head["never"]), tuple(skip["endings"]), frozenset(skip["names"]), frozenset(head["moving"]))
