"""The plain list: one file a line, options indented below it (the input format of aria2).

# a comment
https://example.org/big.iso<TAB>https://mirror.example.net/big.iso
  out=images/big.iso
  checksum=sha-256=HEX
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastdl.core.lists.entry import Broken, Entry, Written
from fastdl.core.lists.keys import meaning, with_option
from fastdl.core.lists.reading import Line
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

_OPTION = "Options look like out=FILE, with a blank before; a URL begins its line."


@dataclass(slots=True)
class _File:
    """The file that is being read: what follows may be options of it. `fault` is the first thing wrong with it."""

    line: int
    urls: list[str]
    options: dict[str, tuple[Written, ...]] = field(default_factory=dict)
    fault: tuple[int, UsageError] | None = None

    def found(self) -> Entry | Broken:
        url = self.urls[0] if self.urls else ""
        if self.fault is not None:
            return Broken(self.fault[0], self.fault[1], url)
        return Entry(self.line, url, tuple(self.urls[1:]), self.options)


def parse_text(lines: Iterable[Line]) -> Iterator[Entry | Broken]:
    """The entries of a plain list. A file whose line or option is wrong is Broken as a whole."""
    file: _File | None = None
    for number, text, wrong in lines:
        content = text.strip()
        if not wrong and (not content or content.startswith("#")):
            continue
        if text[:1] not in (" ", "\t"):
            if file is not None:
                yield file.found()
            file = _File(number, [url for part in content.split("\t") if (url := part.strip())])
            if wrong:
                file = _File(number, [], fault=(number, UsageError("the line cannot be read", wrong, "")))
            continue
        if file is None:  # an option of nothing: told once, for all that follow
            file = _File(number, [], fault=(number, UsageError("an option comes before any URL", "", _OPTION)))
        elif file.fault is None:
            _take_option(file, number, content, wrong)
    if file is not None:
        yield file.found()


def _take_option(file: _File, number: int, content: str, wrong: str) -> None:
    name, equals, value = content.partition("=")
    try:
        if wrong:
            raise UsageError("the line cannot be read", wrong, "")
        if not equals:
            raise UsageError("an option has no '='", "", _OPTION)
        key, negated = meaning(name.strip())
        written = Written(name.strip(), value.strip(), number, negated)
        file.options = with_option(file.options, key, written)
    except UsageError as error:
        file.fault = (number, error)
