"""The site is built as strictly as MkDocs can. It loads nothing from anywhere else; no page is wider than a phone."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pages.blocks import ROOT, documents
from servers.browser import Browser
from servers.real import package

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
LOADS |= {"embed": "src", "object": "data", "use": "href", "image": "href", "track": "src", "input": "src"}
LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What a page loads, where its links lead, which anchors it has, and the plain words of its article."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.policy: tuple[int, str] | None = None  # what was loaded before it, and the policy
        self.words: list[str] = []
        self.items = 0
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        self.items += tag == "li" and "article" in self._open
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = len(self.loads), given["content"]
        if tag == "link" and LOADED_LINKS & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        if LOADS.get(tag) in given:
            self.loads.append(given[LOADS[tag]])
        self.loads += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        self.loads += re.findall(r"url\(['\"]?([^)'\"]+)", given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.loads += re.findall(r"url\(['\"]?([^)'\"]+)|@import ['\"]([^'\"]+)", data)
        if "article" in self._open and not {"code", "pre", "script", "style"} & set(self._open):
            self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package("mkdocs")
    package("material")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # a notice of the theme, which is not about this site
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def outside(address: str) -> bool:
    return re.match(r"(?!data:)[a-z][a-z0-9+.-]*:|//", address, re.IGNORECASE) is not None


def test_every_document_is_a_page(pages: dict[str, Page]) -> None:
    own = {Path(name).stem + ".html" for name in documents() if name.startswith("docs/")}
    assert own | {"index.html", "404.html", "contributing.html", "changelog.html", "reporting.html"} == set(pages)


def test_nothing_is_loaded_from_outside(site: Path, pages: dict[str, Page]) -> None:
    assert {name: found for name, page in pages.items() if (found := list(filter(outside, page.loads)))} == {}
    for path in site.rglob("*.css"):
        named = re.findall(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)", path.read_text(encoding="utf-8"))
        assert [address for pair in named for address in pair if outside(address)] == [], path.name


def test_a_browser_is_told_to_load_nothing_from_outside(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert page.policy is not None, name
        before, policy = page.policy
        assert before == 0, name
        assert "default-src 'self'" in policy
        assert "http" not in policy


def test_every_link_of_the_site_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    broken = []
    for name, page in pages.items():
        for link in page.links:
            path, _, anchor = link.partition("#")
            if outside(link) or name == "404.html":
                continue
            full = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            full = "index.html" if full == "." else full
            if not (site / full).is_file() or (anchor and full in pages and anchor not in pages[full].ids):
                broken.append((name, link))
    assert broken == []


def test_links_into_the_repository_name_files_that_are_there(pages: dict[str, Page]) -> None:
    pattern = re.compile(r"https://github\.com/fastdl/fastdl/(?:blob|tree)/main/([^#]+)")
    named = {match[1] for page in pages.values() for link in page.links if (match := pattern.match(link))}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_markdown_was_understood(pages: dict[str, Page]) -> None:
    """What GitHub takes as a list, a table or a block is one here as well."""
    left = re.compile(r"```|\|\s*-{3,}|^\s*[-*] \S|^\s*\d+\. \S|\]\(|\*\*|^#{1,6} ", re.MULTILINE)
    for name, page in pages.items():
        assert [words for words in page.words if left.search(words)] == [], name


# --- in a browser ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the browser is spoken to through POSIX pipes")
def test_a_phone_shows_every_page_whole_and_asks_nobody(site: Path, pages: dict[str, Page], tmp_path: Path) -> None:
    asked, wide, complaints = set(), {}, {}
    browser = Browser(tmp_path)
    try:
        for name in pages.keys() - {"404.html"}:  # that one names its parts from the top of the server
            browser.open(site / name, width=390, dark=False)
            width = browser.value("document.documentElement.scrollWidth")
            asked |= {url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))}
            if width > 390:
                wide[name] = width
            if browser.complaints:
                complaints[name] = list(browser.complaints)
    finally:
        browser.close()
    assert wide == {}
    assert asked == set()
    assert complaints == {}
