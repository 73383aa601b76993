"""Makes the rule pack of the facts: `python -m fastdl.data.build` writes rules.json, `--check` only compares.

The facts are kept for people: one file a family, one mirror a line, with the sources of each and how sure they are.
The pack is made for speed: an index by host, one rule a line, operators written once, sources left out. It is one JSON
document all the same, and must fit rules.schema.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fastdl.core.hints import Any
from fastdl.core.pack import FORMAT

FOLDER = Path(__file__).parent
PACK = FOLDER / "rules.json"
SCHEMA = FOLDER / "rules.schema.json"
FAMILIES = ("code", "languages", "containers", "toolchains", "applications", "systems", "archives")
FOR_PEOPLE = frozenset({"sure", "sources", "network"})  # keys of the facts that no download needs


def facts(name: str) -> dict[str, Any]:
    """One file of the facts."""
    found: dict[str, Any] = json.loads((FOLDER / "facts" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def rules() -> list[dict[str, Any]]:
    """All rules of the facts; special ones before what they extend, then by rank."""
    found = [rule for family in FAMILIES for rule in facts(family)["rules"]]
    return sorted(found, key=lambda rule: ("extends" not in rule, rule["rank"]))


def pack() -> str:
    """The text of rules.json. Raises ValueError where it would break the schema."""
    common = facts("common")
    operators = list(common["operators"])
    lines = [_compact(_lean(rule, operators)) for rule in rules()]
    head = {
        "format": FORMAT,
        "ids": [rule["id"] for rule in rules()],
        "never": common["never"],
        "skip": common["skip"],
        "moving": common["moving"],
        "operators": [[entry["name"], entry["region"]] for entry in common["operators"].values()],
        "hosts": _index(rules()),
        "rules": [],
    }
    text = _compact(head).removesuffix("]}") + "\n" + ",\n".join(lines) + "\n]}\n"
    faults = list(violations(json.loads(text), json.loads(SCHEMA.read_text(encoding="utf-8"))))
    if faults:
        raise ValueError("the rule pack breaks its schema: " + "; ".join(faults[:5]))
    return text


def _compact(obj: Any) -> str:
    return json.dumps(obj, ensure_ascii=True, separators=(",", ":"))


def _index(found: list[dict[str, Any]]) -> dict[str, list[int]]:
    hosts: dict[str, list[int]] = {}
    for number, rule in enumerate(found):
        for host in rule["hosts"]:
            hosts.setdefault(host, []).append(number)
    return hosts


def _lean(rule: dict[str, Any], operators: list[str]) -> dict[str, Any]:
    """A rule without what is only for people, its operators as numbers."""
    lean = {key: value for key, value in rule.items() if key not in ("rank", "gone", "left_out")}
    for key in ("mirrors", "digests"):
        lean[key] = [
            {name: value for name, value in entry.items() if name not in FOR_PEOPLE} for entry in rule.get(key, ())
        ]
    for mirror in lean["mirrors"]:
        mirror["by"] = operators.index(mirror["by"])
    return lean


# --- the schema ------------------------------------------------------------------------------------------

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
}


def violations(
    value: Any, schema: dict[str, Any], place: str = "$", root: dict[str, Any] | None = None
) -> Iterator[str]:
    """Where `value` breaks a JSON Schema. Of the language only what rules.schema.json uses is known: $ref, type, enum,
    const, anyOf, pattern, minLength, items, minItems, properties, required, additionalProperties, minimum."""
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        if not any(not list(violations(value, option, place, root)) for option in schema["anyOf"]):
            yield f"{place}: none of the forms fits"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{place}: is no {kind}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{place}: {value!r} is not allowed"
    if isinstance(value, str):
        yield from _text_violations(value, schema, place)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{place}: is too short"
        for number, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), f"{place}[{number}]", root)
    elif isinstance(value, dict):
        yield from _object_violations(value, schema, place, root)
    elif isinstance(value, int) and value < schema.get("minimum", value):
        yield f"{place}: is too small"


def _text_violations(value: str, schema: dict[str, Any], place: str) -> Iterator[str]:
    import re

    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r} has another form than {schema['pattern']}"
    if len(value) < schema.get("minLength", 0):
        yield f"{place}: is empty"


def _object_violations(
    value: dict[str, Any], schema: dict[str, Any], place: str, root: dict[str, Any]
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}: lacks {name}"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, item in value.items():
        if name in known:
            yield from violations(item, known[name], f"{place}.{name}", root)
        elif others is False:
            yield f"{place}: {name} is not known"
        else:
            yield from violations(item, others, f"{place}.{name}", root)


def main(arguments: list[str]) -> int:
    """Writes the pack; with `--check` returns 1 where the file is not what the facts give."""
    text = pack()
    if "--check" in arguments:
        current = PACK.exists() and PACK.read_text(encoding="utf-8") == text
        print("rules.json is up to date" if current else "rules.json is not what the facts give")
        return 0 if current else 1
    PACK.write_text(text, encoding="utf-8", newline="\n")
    print(f"{PACK.name}: {text.count(chr(10)) - 2} rules, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
