r"""The user's own rules and mirrors: the `rules` tables of the config file, laid over the pack.

    [rules.github-archive]            # a rule of the pack: switched off
    enabled = false

    [rules.pypi.mirrors.company]      # one more mirror of a rule of the pack, for instance a Nexus
    url = "https://nexus.example.com/repository/files/packages/{h1}/{h2}/{h3}/{file}"

    [rules.pypi.mirrors.tuna]         # a mirror of the pack: switched off (or on)
    enabled = false

    [rules.tools]                     # a rule of one's own; under a name of the pack it replaces that rule
    match = "https://tools.example.com/releases/{path...}"
    mutable = "https://tools.example.com/releases/latest/{path...}"

    [rules.tools.mirrors.berlin]
    url = "https://artifactory.example.com/artifactory/tools/{path}"

    [rules.tools.digests.sums]
    url = "https://tools.example.com/releases/{path|dirname}/SHA256SUMS"
    kind = "sums_file"

`{name}` in `match` stands for a part of one path segment, `{name...}` for any number of segments. This little language
and not regexes: a wrong pattern must not be able to hang a download. All keys: docs/rules.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.normal_form import Normal, normal_form
from fastdl.core.pack import Pack
from fastdl.core.pattern import pattern
from fastdl.core.rules import CLASSES, DigestPlace, Mirror, Pattern, Rule
from fastdl.core.shown import clean
from fastdl.core.templates import expand, template_authority
from fastdl.core.verify import LENGTHS
from fastdl.errors import UsageError

RULE_KEYS = ("builtin_mirrors", "digests", "enabled", "match", "mirrors", "mutable", "title")
MIRROR_KEYS = ("digest_required", "enabled", "operator", "region", "trust", "url")
DIGEST_KEYS = ("algorithm", "kind", "url")
HINT = "'fastdl explain URL' names the rule of a URL."
KINDS = ("side_file", "sums_file", "metalink")

_ID = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLACEHOLDER = pattern(r"\{([^{}]*)\}")
_NAME = pattern(r"[a-z][a-z0-9_]{0,31}")
_LOWER = pattern(r"[a-z0-9.-]+")
_AUTHORITY = pattern(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]{1,5})?")

Path = tuple[str, ...]


class _Source:
    """The text of the config file; says where a wrong value stands."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path

    def error(self, keys: Path, why: str, hint: str) -> UsageError:
        key = ".".join(keys)
        what = f"{self._path or 'the config'}, line {line_of(self._text, keys)}, key {clean(key, 120)}: not usable"
        return UsageError(what, why, hint)


def applied(pack: Pack, tables: Mapping[str, Any], text: str, path: str) -> Pack:
    """The pack with the `rules` tables laid over it. Raises UsageError that names file, line and key."""
    source = _Source(text, path)
    changes: dict[str, Rule | None] = {}
    for name, table in _tables(source, tables, ("rules",)).items():
        changes[name] = _changed_rule(source, pack, name, table)
    return pack.changed(changes)


# --- rules -----------------------------------------------------------------------------------------------


def _changed_rule(source: _Source, pack: Pack, name: str, written: Mapping[str, Any]) -> Rule | None:
    keys: Path = ("rules", name)
    table = _known(source, keys, written, RULE_KEYS)
    rule = pack.rule(name)
    if not _boolean(source, keys, table, "enabled", True):
        if rule is None and "match" not in table:
            raise source.error((*keys, "enabled"), "there is no such rule", HINT)
        return None
    if "match" in table:
        rule = _new_rule(source, pack, name, table)
    elif rule is None:
        raise source.error(keys, "there is no such rule, and a new one needs match", HINT)
    elif "mutable" in table:
        raise source.error((*keys, "mutable"), "it belongs to a rule with match", "Give match too, or remove it.")
    mirrors = {mirror.id: mirror for mirror in rule.mirrors}
    if not _boolean(source, keys, table, "builtin_mirrors", True):
        mirrors = {name: mirror._replace(enabled=False) for name, mirror in mirrors.items()}
    for mirror_name, entry in _tables(source, table.get("mirrors", {}), (*keys, "mirrors")).items():
        place = (*keys, "mirrors", mirror_name)
        mirrors[mirror_name] = _mirror(source, pack, rule, mirrors.get(mirror_name), place, entry)
    digests = {digest.id: digest for digest in rule.digests}
    for digest_name, entry in _tables(source, table.get("digests", {}), (*keys, "digests")).items():
        digests[digest_name] = _digest(source, pack, rule, (*keys, "digests", digest_name), entry)
    return rule._replace(
        title=_text(source, keys, table, "title", rule.title),
        mirrors=tuple(mirrors.values()),
        digests=tuple(digests.values()),
    )


def _new_rule(source: _Source, pack: Pack, name: str, table: Mapping[str, Any]) -> Rule:
    keys: Path = ("rules", name)
    patterns: list[Pattern] = []
    hosts: dict[str, None] = {}
    for key in ("mutable", "match"):  # what changes is looked for first
        for number, shape in enumerate(_texts(source, keys, table, key), 1):
            regex, host = _regex(source, (*keys, key), shape)
            if pack.limits.forbids(host):
                raise source.error((*keys, key), f"{host} is run by a malicious operator", "Use another host.")
            patterns.append(Pattern(f"{key}-{number}", regex, mutable=key == "mutable", hosts=(host,)))
            hosts[host] = None
    return Rule(name, f"files of the rule {name}", tuple(hosts), tuple(patterns), (), (), own=True)


def _regex(source: _Source, keys: Path, shape: str) -> tuple[str, str]:
    """The regex of a `match` text, and its host. Built so that the time to match grows at most with the square of
    the length: one `{name...}` at most, two `{name}` in one segment, something literal between two."""
    authority = template_authority(shape)
    example = "It looks like https://host/folder/{path...}."
    if not shape.startswith("https://") or not authority:
        raise source.error(keys, "it does not begin with https:// and a host", example)
    if not isinstance(normal_form(f"https://{authority}/"), Normal) or not _LOWER.fullmatch(authority):
        raise source.error(keys, "the host is not a plain, public name in lower case without a port", example)
    names = _PLACEHOLDER.findall(shape)
    plain = [name.removesuffix("...") for name in names]
    if "{" in _PLACEHOLDER.sub("", shape) or "}" in _PLACEHOLDER.sub("", shape) or "}{" in shape:
        raise source.error(keys, "its braces do not fit together", "Parts look like {name} or {name...}.")
    if not all(_NAME.fullmatch(name) for name in plain) or len(set(plain)) < len(plain):
        raise source.error(keys, "its names are not different words in lower case", "Parts look like {name}.")
    if len([name for name in names if name.endswith("...")]) > 1 or any(
        segment.count("{") > 2 for segment in shape.split("/")
    ):
        raise source.error(keys, "it has too many parts", "One {name...}, and two {name} in a segment, are the most.")
    if not isinstance(normal_form(_PLACEHOLDER.sub("x", shape)), Normal) or "?" in shape or "#" in shape:
        raise source.error(keys, "it is not a URL in normal form without query", example)
    pieces = []
    for number, piece in enumerate(re.split(r"\{([^{}]*)\}", shape)):
        if number % 2 == 0:
            pieces.append(re.escape(piece))
        else:
            several = piece.endswith("...")
            pieces.append(f"(?P<{piece.removesuffix('...')}>[^{'' if several else '/'}?#]+)")
    return "".join(pieces), authority


# --- mirrors and digests ---------------------------------------------------------------------------------


def _mirror(
    source: _Source, pack: Pack, rule: Rule, old: Mirror | None, keys: Path, written: Mapping[str, Any]
) -> Mirror:
    table = _known(source, keys, written, MIRROR_KEYS)
    if old is None and "url" not in table:
        known = ", ".join(mirror.id for mirror in rule.mirrors)
        raise source.error(keys, "there is no such mirror, and a new one needs url", f"Known: {known or 'none'}.")
    trust = _choice(source, keys, table, "trust", CLASSES, "official" if old is None else old.trust)
    mirror = old if old is not None else Mirror(keys[-1], keys[-1], "", "", (), trust, True, True)
    if "url" in table:
        url = _text(source, keys, table, "url", "")
        patterns = _template(source, pack, rule, (*keys, "url"), url)
        mirror = Mirror(keys[-1], mirror.operator, mirror.region, url, patterns, trust, True, trust != "alias")
    return mirror._replace(
        operator=_text(source, keys, table, "operator", mirror.operator),
        region=_text(source, keys, table, "region", mirror.region),
        trust=trust,
        enabled=_boolean(source, keys, table, "enabled", mirror.enabled or "url" in table),
        digest_required=_boolean(
            source, keys, table, "digest_required", trust != "alias" if "trust" in table else mirror.digest_required
        ),
        own=True,
    )


def _digest(source: _Source, pack: Pack, rule: Rule, keys: Path, written: Mapping[str, Any]) -> DigestPlace:
    table = _known(source, keys, written, DIGEST_KEYS)
    if "url" not in table:
        raise source.error(keys, "it needs url", "For instance https://host/{path}.sha256.")
    url = _text(source, keys, table, "url", "")
    patterns = _template(source, pack, rule, (*keys, "url"), url)
    kind = _choice(source, keys, table, "kind", KINDS, "side_file")
    algorithm = _choice(source, keys, table, "algorithm", tuple(LENGTHS), "sha256")
    return DigestPlace(keys[-1], kind, algorithm, "hex", patterns, url)


def _template(source: _Source, pack: Pack, rule: Rule, keys: Path, url: str) -> tuple[str, ...]:
    """Checks a template; the ids of the patterns that have all its names."""
    authority = template_authority(url)
    if not url.startswith("https://") or not _AUTHORITY.fullmatch(authority):
        why = "it holds a user name" if "@" in authority else "it does not begin with https:// and a host"
        raise source.error(keys, why, "It looks like https://host/folder/{path}; credentials do not belong there.")
    host = authority.partition(":")[0]
    if pack.limits.forbids(host):
        raise source.error(keys, f"{host} is run by a malicious operator", "Use another host.")
    expressions = _PLACEHOLDER.findall(url)
    rest = _PLACEHOLDER.sub("x", url)
    if not isinstance(normal_form(f"https://mirror.invalid/{rest[len('https://' + authority) + 1 :]}"), Normal):
        raise source.error(keys, "it is not a URL in normal form", "Braces stand around a name only: {path}.")
    if "#" in rest or "?" in rest:
        raise source.error(keys, "it has a query or a fragment", "Only the path may be mapped.")
    groups = {pattern.id: set(pack.compiled(pattern.regex).groupindex) for pattern in rule.patterns}
    named = set().union(*groups.values()) | {"url"}
    for expression in expressions:
        name = expression.partition("|")[0]
        if name not in named:
            raise source.error(keys, f"{{{name}}} is not a name of this rule", f"It has: {', '.join(sorted(named))}.")
        _check_filters(source, keys, expression)
    wanted = {expression.partition("|")[0] for expression in expressions} - {"url"}
    return tuple(pattern.id for pattern in rule.patterns if not pattern.mutable and wanted <= groups[pattern.id])


def _check_filters(source: _Source, keys: Path, expression: str) -> None:
    try:
        expand(f"{{{expression}}}", {expression.partition("|")[0]: "a/b"})
    except KeyError as error:
        raise source.error(keys, f"{error.args[0]} is not a filter", "For instance {path|basename}.") from None


# --- values ----------------------------------------------------------------------------------------------


def _tables(source: _Source, value: Any, keys: Path) -> dict[str, Mapping[str, Any]]:
    """A table of tables, its names checked."""
    if not isinstance(value, Mapping):
        raise source.error(keys, "it is not a table", f"Write [{'.'.join(keys)}.NAME] above its keys.")
    for name, entry in value.items():
        if not _ID.fullmatch(name):
            raise source.error((*keys, name), "the name has other signs than letters, digits, . _ -", "Choose another.")
        if not isinstance(entry, Mapping):
            raise source.error((*keys, name), "it is not a table", f"Write [{'.'.join(keys)}.{name}] above its keys.")
    return dict(value)


def _known(source: _Source, keys: Path, table: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """The table with "_" for "-" in its keys."""
    found = {}
    for written, value in table.items():
        key = written.replace("-", "_")
        if key not in known:
            raise source.error((*keys, written), "there is no such key", f"Known: {', '.join(known)}.")
        if key in found:
            raise source.error((*keys, written), "it is set twice: - and _ are the same", "Remove one of the two.")
        found[key] = value
    return found


def _boolean(source: _Source, keys: Path, table: Mapping[str, Any], key: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise source.error((*keys, key), "it is neither true nor false", "Write it without quotes.")
    return value


def _text(source: _Source, keys: Path, table: Mapping[str, Any], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value.isprintable() or len(value) > 1000 or (key in table and not value):
        raise source.error((*keys, key), "it is not a line of text", "Texts stand in quotes.")
    return value


def _texts(source: _Source, keys: Path, table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or len(values) > 100 or not all(isinstance(text, str) for text in values):
        raise source.error((*keys, key), "it is neither a text nor a list of texts", "Texts stand in quotes.")
    if key in table and not values:
        raise source.error((*keys, key), "it is empty", "It looks like https://host/folder/{path...}.")
    return values


def _choice(
    source: _Source, keys: Path, table: Mapping[str, Any], key: str, choices: Sequence[str], default: str
) -> str:
    value = _text(source, keys, table, key, default)
    if value not in choices:
        raise source.error(
            (*keys, key), f"{clean(value, 40)} is not one of its values", f"Known: {', '.join(choices)}."
        )
    return value


# --- lines -----------------------------------------------------------------------------------------------

_HEADER = pattern(r"\s*\[\[?\s*([^\]\[#]+?)\s*\]\]?\s*(?:#.*)?")
_PART = pattern(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line where these nested keys are set, as far as a look at the lines can tell: of the key itself, else of
    the nearest table around it, else 1."""
    wanted = tuple(key.replace("-", "_") for key in keys)
    table: Path = ()
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        here = table = _parts(header[1]) if header else table
        if not header:
            here = table + _parts(line)
        common = 0
        for one, other in zip(here, wanted, strict=False):
            if one != other:
                break
            common += 1
        if common > depth and (common == len(here) or not header):
            best, depth = number, common
    return best


def _parts(line: str) -> Path:
    """The dotted key at the beginning of a line."""
    found: list[str] = []
    place = 0
    while match := _PART.match(line, place):
        found.append((match[1] or match[2] or match[3] or "").replace("-", "_"))
        place = match.end()
        if match[4] != ".":
            return tuple(found)
    return ()
