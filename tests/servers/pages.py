"""HTML read strictly, for tests of pages: every tag closed where it should be, and what stands in it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Element:
    """One element: its attributes, the elements in it, and all text below it."""

    def __init__(self, name: str, attributes: dict[str, str | None], parent: Element | None) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.children: list[Element] = []
        self.own: list[str] = []

    @property
    def text(self) -> str:
        """All text below it, in order where no text follows an element."""
        return "".join([*self.own, *(child.text for child in self.children)])

    def all(self, name: str = "") -> list[Element]:
        """Every element of a name below it."""
        found = [child for child in self.children if name in ("", child.name)]
        return found + [deeper for child in self.children for deeper in child.all(name)]


class Page(HTMLParser):
    """A whole document. Raises AssertionError where tags are not balanced or an attribute stands twice."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.declared = ""
        self.root = self._open = Element("", {}, None)
        self.feed(text)
        self.close()
        assert self._open is self.root, f"<{self._open.name}> is not closed"

    def handle_decl(self, decl: str) -> None:
        """See HTMLParser."""
        self.declared += decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> stands twice"
        element = Element(tag, dict(attrs), self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser: within SVG alone an element ends so."""
        parent: Element | None = self._open
        while parent is not None and parent.name != "svg":
            parent = parent.parent
        assert parent is not None, f"<{tag}/> outside of SVG"
        self._open.children.append(Element(tag, dict(attrs), self._open))

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        assert self._open.name == tag and self._open.parent is not None, f"</{tag}> closes <{self._open.name}>"
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self._open.own.append(data)

    def handle_comment(self, data: str) -> None:
        """See HTMLParser."""
        raise AssertionError(f"a comment: {data}")

    def all(self, name: str = "") -> list[Element]:
        """Every element of a name."""
        return self.root.all(name)
