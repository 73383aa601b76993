"""The page of `stats --html` in headless Chromium: nothing is asked for, nothing complains, nothing is too wide."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl.ui.dashboard.page import page
from servers import known
from servers.browser import Browser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes to Chromium are made in another way there")

LONG = "a-very-long-name-without-any-place-to-break-" * 6
TOO_WIDE = """
[...document.querySelectorAll("body *")].filter(each => {
    const scrolls = each.closest(".scroll"), svg = each.closest("svg");
    const shown = each.checkVisibility ? each.checkVisibility() : true;
    return !scrolls && !svg && shown && !each.matches(".skip") && each.getBoundingClientRect().right > innerWidth + 0.5;
}).map(each => each.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with something of everything, and names of any length."""
    facts = known.facts(30)
    entries = [facts.entries[0]._replace(path="/" + LONG, url="https://example.org/" + LONG), *facts.entries[1:]]
    profiles = [known.profiled(entries[0], 16)]
    wide = facts._replace(entries=entries, profiles=profiles, servers=[known.server(1, host=LONG), *facts.servers])
    path = tmp_path_factory.mktemp("page") / "stats.html"
    path.write_text(page(wide), "ascii")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_it_fits_and_is_quiet(browser: Browser, file: Path, width: int, dark: bool) -> None:
    browser.open(file, width=width, dark=dark)
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(TOO_WIDE) == []
    colour = browser.value("getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(15, 19, 24)" if dark else "rgb(255, 255, 255)")
    shot = browser.shot()
    assert shot.startswith(b"\x89PNG") and len(shot) > 10_000
    if (folder := os.environ.get("SCREENSHOTS_TO")) is not None:  # for somebody who wants to look
        Path(folder, f"stats-{width}-{'dark' if dark else 'light'}.png").write_bytes(shot)
    assert browser.requests == [file.as_uri()]
    assert browser.complaints == []


def test_paper_is_light(browser: Browser, file: Path) -> None:
    """Whoever likes it dark: a printer leaves the background out, and light text would not be seen."""
    browser.open(file, width=1280, dark=True)
    browser.ask(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert browser.value("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    browser.ask("Emulation.setEmulatedMedia", media="")


def test_charts_are_drawn(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280, dark=False)
    boxes = "[...document.querySelectorAll('svg[role=img]')].map(each => each.getBoundingClientRect().width)"
    assert min(browser.value(boxes)) > 300
    bars = "document.querySelector('svg[role=img] path.f').getBoundingClientRect()"
    assert browser.value(f"{bars}.width") > 300
    assert browser.value(f"{bars}.height") > 30
    fill = "getComputedStyle(document.querySelector('svg[role=img] path.f')).fill"
    assert browser.value(fill) == "rgb(11, 92, 173)", "the style is in force: its digest in the policy is right"


def test_a_script_would_not_run(browser: Browser, file: Path) -> None:
    """What somebody adds to the page is stopped by its policy."""
    text = file.read_text("ascii").replace(
        "</main>", "<script>document.title = 'ran'</script><img src='//x.test/'></main>"
    )
    changed = file.with_name("changed.html")
    changed.write_text(text, "ascii")
    browser.open(changed, width=1280, dark=False)
    assert browser.value("document.title") == "fastdl: what was learned and done"
    assert len(browser.complaints) >= 1


def test_the_skip_link_is_the_first_stop(browser: Browser, file: Path) -> None:
    browser.open(file, width=360, dark=False)
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_what_a_screen_reader_hears(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280, dark=False)
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    heard = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    ]
    roles = {role for role, _ in heard}
    assert {"banner", "main", "contentinfo", "navigation", "region", "table", "rowheader", "columnheader"} <= roles
    pictures = [name for role, name in heard if role in ("image", "img", "graphics-document")]
    assert "Throughput by day" in pictures
    assert "What each connection did when" in pictures
    assert all(pictures), "each picture has a name"
    assert all(name for role, name in heard if role in ("region", "table", "link", "heading", "navigation"))
