"""Where to ask for a digest: a rule's place, filled in with what the pattern has captured of a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastdl.core.hints import Any
from fastdl.core.normal_form import Normal
from fastdl.core.route import DigestLook
from fastdl.core.rules import DigestPlace, Rule, Where
from fastdl.core.templates import expand, unquoted


def look_of(rule: Rule, place: DigestPlace, names: dict[str, str | None], normal: Normal) -> DigestLook | None:
    """A rule's place for the object of a URL, whose pattern has captured `names`; None where it has none there."""
    urls = [url for template in (place.url, *place.alternatives) if (url := expand(template, names)) is not None]
    if not urls or not all(url.startswith("https://") for url in urls):
        return None
    entry = expand(place.entry, names) if place.entry else unquoted(normal.path.rpartition("/")[2])
    return DigestLook(
        id=f"{rule.id}/{place.id}",
        kind=place.kind,
        url=urls[0],
        algorithm=place.algorithm,
        encoding=place.encoding,
        json_path=_filled_path(place.json_path, names),
        names={name: value for name, value in names.items() if value},
        entry=entry or "",
        coverage=place.coverage,
        alternatives=tuple(urls[1:]),
        size_path=_filled_path(place.size_path, names),
        method=place.method,
        body=_filled(place.body, names),
        accept=place.accept,
        header=place.header,
        format=place.format,
        match=_filled_regex(place.match, names),
        follow=place.follow,
        confirm=(place.confirm[0], expand(place.confirm[1], names) or "\0") if place.confirm else None,
        fallback=place.fallback._replace(json_path=_filled_path(place.fallback.json_path, names))
        if place.fallback
        else None,
        extra=place.extra,
    )


def _filled(value: Any, names: Mapping[str, str | None]) -> Any:
    """JSON with the templates in its texts replaced."""
    if isinstance(value, str):
        return expand(value, names) or ""
    if isinstance(value, Where):
        return value._replace(value=expand(value.value, names) or "")
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    return [_filled(item, names) for item in value] if isinstance(value, list) else value


def _filled_path(path: tuple[Any, ...], names: Mapping[str, str | None]) -> tuple[Any, ...]:
    return tuple(_filled(step, names) for step in path)


def _filled_regex(template: str, names: Mapping[str, str | None]) -> str:
    """A regex in which `{name…}` is replaced, escaped. Its own braces only hold digits and commas."""

    def text(found: re.Match[str]) -> str:
        return re.escape(expand(found[0], names) or "\0")

    return re.sub(r"\{[a-z_]+(?:\|[a-z_]+)*\}", text, template)
