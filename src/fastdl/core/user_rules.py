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
from collections.abc import Mapping

from fastdl.core.config_table import Source, Table
from fastdl.core.hints import Any
from fastdl.core.normal_form import Normal, normal_form
from fastdl.core.pack import Pack
from fastdl.core.pattern import pattern
from fastdl.core.rules import CLASSES, DigestPlace, Mirror, Pattern, Rule
from fastdl.core.templates import expand, template_authority
from fastdl.core.verify import LENGTHS

RULE_KEYS = ("builtin_mirrors", "digests", "enabled", "match", "mirrors", "mutable", "title")
MIRROR_KEYS = ("digest_required", "enabled", "operator", "region", "trust", "url")
DIGEST_KEYS = ("algorithm", "kind", "url")
EXAMPLE = "It looks like https://host/folder/{path...}."
HINT = "'fastdl explain URL' names the rule of a URL."
KINDS = ("side_file", "sums_file", "metalink")

_PLACEHOLDER = pattern(r"\{([^{}]*)\}")
_NAME = pattern(r"[a-z][a-z0-9_]{0,31}")
_LOWER = pattern(r"[a-z0-9.-]+")
_AUTHORITY = pattern(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]{1,5})?")


def applied(pack: Pack, tables: Mapping[str, Any], text: str, path: str) -> Pack:
    """The pack with the `rules` tables laid over it. Raises UsageError that names file, line and key."""
    written = Source(text, path).tables(tables, ("rules",), RULE_KEYS)
    return pack.changed({table.name: _changed_rule(pack, table) for table in written})


# --- rules -----------------------------------------------------------------------------------------------


def _changed_rule(pack: Pack, table: Table) -> Rule | None:
    rule = pack.rule(table.name)
    if not table.boolean("enabled", True):
        if rule is None and "match" not in table:
            raise table.error("there is no such rule", HINT, "enabled")
        return None
    if "match" in table:
        rule = _new_rule(pack, table)
    elif rule is None:
        raise table.error("there is no such rule, and a new one needs match", HINT)
    elif "mutable" in table:
        raise table.error("it belongs to a rule with match", "Give match too, or remove it.", "mutable")
    mirrors = {mirror.id: mirror for mirror in rule.mirrors}
    if not table.boolean("builtin_mirrors", True):
        mirrors = {name: mirror._replace(enabled=False) for name, mirror in mirrors.items()}
    for entry in table.tables("mirrors", MIRROR_KEYS):
        mirrors[entry.name] = _mirror(pack, rule, mirrors.get(entry.name), entry)
    digests = {digest.id: digest for digest in rule.digests}
    for entry in table.tables("digests", DIGEST_KEYS):
        digests[entry.name] = _digest(pack, rule, entry)
    title = table.text("title", rule.title)
    return rule._replace(title=title, mirrors=tuple(mirrors.values()), digests=tuple(digests.values()))


def _new_rule(pack: Pack, table: Table) -> Rule:
    patterns: list[Pattern] = []
    hosts: dict[str, None] = {}
    for key in ("mutable", "match"):  # what changes is looked for first
        for number, shape in enumerate(table.texts(key, EXAMPLE), 1):
            regex, host = _regex(table, key, shape)
            if pack.limits.forbids(host):
                raise table.error(f"{host} is run by a malicious operator", "Use another host.", key)
            patterns.append(Pattern(f"{key}-{number}", regex, mutable=key == "mutable", hosts=(host,)))
            hosts[host] = None
    return Rule(table.name, f"files of the rule {table.name}", tuple(hosts), tuple(patterns), (), (), own=True)


def _regex(table: Table, key: str, shape: str) -> tuple[str, str]:
    """The regex of a `match` text, and its host. Built so that the time to match grows at most with the square of
    the length: one `{name...}` at most, two `{name}` in one segment, something literal between two."""
    authority = template_authority(shape)
    if not shape.startswith("https://") or not authority:
        raise table.error("it does not begin with https:// and a host", EXAMPLE, key)
    if not isinstance(normal_form(f"https://{authority}/"), Normal) or not _LOWER.fullmatch(authority):
        raise table.error("the host is not a plain, public name in lower case without a port", EXAMPLE, key)
    names = _PLACEHOLDER.findall(shape)
    plain = [name.removesuffix("...") for name in names]
    if "{" in _PLACEHOLDER.sub("", shape) or "}" in _PLACEHOLDER.sub("", shape) or "}{" in shape:
        raise table.error("its braces do not fit together", "Parts look like {name} or {name...}.", key)
    if not all(_NAME.fullmatch(name) for name in plain) or len(set(plain)) < len(plain):
        raise table.error("its names are not different words in lower case", "Parts look like {name}.", key)
    if len([name for name in names if name.endswith("...")]) > 1 or any(
        segment.count("{") > 2 for segment in shape.split("/")
    ):
        raise table.error("it has too many parts", "One {name...}, and two {name} in a segment, are the most.", key)
    if not isinstance(normal_form(_PLACEHOLDER.sub("x", shape)), Normal) or "?" in shape or "#" in shape:
        raise table.error("it is not a URL in normal form without query", EXAMPLE, key)
    pieces = []
    for number, piece in enumerate(re.split(r"\{([^{}]*)\}", shape)):
        if number % 2 == 0:
            pieces.append(re.escape(piece))
        else:
            several = piece.endswith("...")
            pieces.append(f"(?P<{piece.removesuffix('...')}>[^{'' if several else '/'}?#]+)")
    return "".join(pieces), authority


# --- mirrors and digests ---------------------------------------------------------------------------------


def _mirror(pack: Pack, rule: Rule, old: Mirror | None, table: Table) -> Mirror:
    if old is None and "url" not in table:
        known = ", ".join(mirror.id for mirror in rule.mirrors)
        raise table.error("there is no such mirror, and a new one needs url", f"Known: {known or 'none'}.")
    trust = table.choice("trust", CLASSES, "official" if old is None else old.trust)
    mirror = old if old is not None else Mirror(table.name, table.name, "", "", (), trust, True, True)
    if "url" in table:
        url = table.text("url", "")
        patterns = _template(pack, rule, table, url)
        mirror = Mirror(table.name, mirror.operator, mirror.region, url, patterns, trust, True, trust != "alias")
    return mirror._replace(
        operator=table.text("operator", mirror.operator),
        region=table.text("region", mirror.region),
        trust=trust,
        enabled=table.boolean("enabled", mirror.enabled or "url" in table),
        digest_required=table.boolean(
            "digest_required", trust != "alias" if "trust" in table else mirror.digest_required
        ),
        own=True,
    )


def _digest(pack: Pack, rule: Rule, table: Table) -> DigestPlace:
    if "url" not in table:
        raise table.error("it needs url", "For instance https://host/{path}.sha256.")
    url = table.text("url", "")
    patterns = _template(pack, rule, table, url)
    kind = table.choice("kind", KINDS, "side_file")
    algorithm = table.choice("algorithm", tuple(LENGTHS), "sha256")
    return DigestPlace(table.name, kind, algorithm, "hex", patterns, url)


def _template(pack: Pack, rule: Rule, table: Table, url: str) -> tuple[str, ...]:
    """Checks the template in a table's url; the ids of the patterns that have all its names."""
    authority = template_authority(url)
    if not url.startswith("https://") or not _AUTHORITY.fullmatch(authority):
        why = "it holds a user name" if "@" in authority else "it does not begin with https:// and a host"
        raise table.error(why, "It looks like https://host/folder/{path}; credentials do not belong there.", "url")
    host = authority.partition(":")[0]
    if pack.limits.forbids(host):
        raise table.error(f"{host} is run by a malicious operator", "Use another host.", "url")
    expressions = _PLACEHOLDER.findall(url)
    rest = _PLACEHOLDER.sub("x", url)
    if not isinstance(normal_form(f"https://mirror.invalid/{rest[len('https://' + authority) + 1 :]}"), Normal):
        raise table.error("it is not a URL in normal form", "Braces stand around a name only: {path}.", "url")
    if "#" in rest or "?" in rest:
        raise table.error("it has a query or a fragment", "Only the path may be mapped.", "url")
    groups = {pattern.id: set(pack.compiled(pattern.regex).groupindex) for pattern in rule.patterns}
    named = set().union(*groups.values()) | {"url"}
    for expression in expressions:
        name = expression.partition("|")[0]
        if name not in named:
            raise table.error(f"{{{name}}} is not a name of this rule", f"It has: {', '.join(sorted(named))}.", "url")
        _check_filters(table, expression)
    wanted = {expression.partition("|")[0] for expression in expressions} - {"url"}
    return tuple(pattern.id for pattern in rule.patterns if not pattern.mutable and wanted <= groups[pattern.id])


def _check_filters(table: Table, expression: str) -> None:
    try:
        expand(f"{{{expression}}}", {expression.partition("|")[0]: "a/b"})
    except KeyError as error:
        raise table.error(f"{error.args[0]} is not a filter", "For instance {path|basename}.", "url") from None
