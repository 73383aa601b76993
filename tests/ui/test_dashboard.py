"""The page of `stats --html`: sound, safe, and with the numbers that it should have."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.history import Entry, Totals
from fastdl.core.servers import Server
from fastdl.io.profiles import Profiled, Stretch
from fastdl.ui.dashboard.charts import Dot, Names, dots
from fastdl.ui.dashboard.facts import Facts
from fastdl.ui.dashboard.html import Markup, el
from fastdl.ui.dashboard.page import page
from fastdl.ui.dashboard.style import CSS, DARK, LIGHT, SERIES
from servers import known
from servers.known import DAY, NOW, entry, profiled, server
from servers.pages import Element, Page

EMPTY = Facts([], [], {}, {}, Totals(), [], [])
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "</title></style></svg><script src=//evil.example/x.js></script>",
    "<!-- ",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "\u202egpj.exe\u2066\u200b\x1b[31m\x00\ud800",
    "https://user:hunter2@evil.example/?token=hunter2&x=1",
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time is UTC."""
    monkeypatch.setattr(time, "localtime", time.gmtime)


def check(text: str) -> Page:
    """What must hold of each page."""
    assert text.isascii()
    read = Page(text)
    assert read.declared == "DOCTYPE html"
    (whole,) = read.all("html")
    assert whole.attributes == {"lang": "en"}
    names = [each.attributes["id"] for each in read.all() if "id" in each.attributes]
    assert len(set(names)) == len(names)
    assert not read.all("script") + read.all("img") + read.all("iframe") + read.all("form") + read.all("link")
    for element in read.all():
        for name, value in element.attributes.items():
            assert not name.startswith("on") and name not in ("src", "style", "xlink:href", "srcset"), name
            assert "//" not in (value or ""), value
            if name == "href":
                assert value is not None and value.startswith("#") and value[1:] in names
            if name in ("aria-labelledby", "aria-describedby"):
                assert value in names
    _landmarks(read)
    _headings(read)
    _tables(read)
    _pictures(read)
    return read


def _landmarks(read: Page) -> None:
    (body,) = read.all("body")
    assert [child.name for child in body.children] == ["a", "header", "main", "footer"]
    assert body.children[0].attributes["href"] == "#content"
    assert body.children[2].attributes["id"] == "content"
    assert all(each.attributes.get("aria-label") for each in read.all("nav"))


def _headings(read: Page) -> None:
    levels = [int(each.name[1]) for each in _in_order(read.root) if re.fullmatch("h[1-6]", each.name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))


def _in_order(element: Element) -> list[Element]:
    return [each for child in element.children for each in (child, *_in_order(child))]


def _tables(read: Page) -> None:
    for table in read.all("table"):
        assert table.children[0].name == "caption" and table.children[0].text
        heads = table.all("thead")[0].all("th")
        assert all(each.attributes["scope"] == "col" and each.text for each in heads)
        for row in table.all("tbody")[0].all("tr"):
            assert len(row.children) == len(heads)
            assert (row.children[0].name, row.children[0].attributes["scope"]) == ("th", "row")
        assert table.parent is not None
        assert (table.parent.attributes["tabindex"], table.parent.attributes["role"]) == ("0", "group")


def _pictures(read: Page) -> None:
    """A picture has a name and a description, and a table of its section has the numbers; or it is no picture."""
    for svg in read.all("svg"):
        if svg.attributes.get("role") == "img":
            assert [child.name for child in svg.children[:2]] == ["title", "desc"]
            assert all(child.text for child in svg.children[:2])
            part = svg
            while part.name not in ("section", "details"):
                assert part.parent is not None
                part = part.parent
            assert part.all("table")
        else:
            inner = svg.parent is not None and svg.parent.name == "svg"
            assert inner or svg.attributes.get("aria-hidden") == "true"


def cells(read: Page, caption: str) -> list[list[str]]:
    """The rows of the first table with this caption."""
    table = next(each for each in read.all("table") if each.children[0].text.startswith(caption))
    return [[cell.text for cell in row.children] for row in table.all("tbody")[0].all("tr")]


def test_nothing_is_known() -> None:
    read = check(page(EMPTY))
    assert "Nothing is learned yet" in read.root.text
    assert not read.all("svg") + read.all("table")


def test_everything() -> None:
    read = check(page(known.facts()))
    assert [each.attributes["id"] for each in read.all("section")] == [
        "throughput", "servers", "limits", "lies", "sources", "caches", "downloads"
    ]  # fmt: skip
    assert {each.attributes["href"] for each in read.all("nav")[0].all("a")} == {
        f"#{each.attributes['id']}" for each in read.all("section")
    }
    titles = [each.children[0].text for each in read.all("svg") if each.attributes.get("role") == "img"]
    assert titles[:3] == ["Throughput by day", "Bytes fetched by day", "Throughput of each download"]
    assert titles[3:] == ["What each connection did when", "Throughput over the time of this download"] * 2


@pytest.mark.parametrize("part", ["servers", "lies", "caches", "heaps", "entries", "profiles"])
def test_each_part_may_be_missing(part: str) -> None:
    facts = known.facts()
    read = check(page(facts._replace(**{part: type(getattr(facts, part))()})))
    assert ("lies" in {each.attributes["id"] for each in read.all("section")}) == (part != "lies")


def test_the_numbers() -> None:
    facts = known.facts()
    read = check(page(facts))
    tiles = dict(zip(*([each.text for each in read.all("dl")[0].all(name)] for name in ("dt", "dd")), strict=True))
    assert tiles["Downloads"] == "6"
    assert tiles["Failed"] == "1"
    assert tiles["Fetched"] == "17.2 MiB"
    assert tiles["Mean rate"] == "1.4 MiB/s"
    assert tiles["Found in caches"] == "75 %"
    assert cells(read, "Downloads by day") == [["2027-01-15", "6", "1", "17.2 MiB", "12 s", "1.4 MiB/s"]]
    assert cells(read, "Rate, latency")[1] == [
        "s2.example.org", "2.9 MiB/s", "10 ms", "2", "yes", "3", "2.0 KiB", "2027-01-15 08:00"
    ]  # fmt: skip
    assert cells(read, "Connections at once")[0] == ["s2.example.org", "refused more", "4", "1.5"]
    assert cells(read, "Who sent altered")[0][0] == "liar.example.net"
    assert cells(read, "Bytes by trust class") == [
        ["official", "11.7 KiB", "66.7 %"], ["origin", "5.9 KiB", "33.3 %"]
    ]  # fmt: skip
    assert cells(read, "Hit rates") == [["routes", "3", "1", "75.0 %"]]
    assert cells(read, "Memory") == [["routes", "7", "4.0 KiB", "8.0 KiB"]]
    assert cells(read, "Bytes by source")[0] == ["b.example.org", "11.7 KiB", "66.7 %"]


def test_a_waterfall_has_its_spans() -> None:
    read = check(page(known.facts()))
    spans = cells(read, "The spans one by one")
    assert ["connection 0", "stall", "A: a.example.org", "0.520 s", "1.520 s", "1 B"] in spans
    assert ["the file", "wait for the connections", "-", "0.010 s", "1.900 s", "-"] in spans
    sums = cells(read, "Sums by connection")
    assert ["connection 1", "receive", "1", "0.500 s", "683.6 KiB"] in sums, "slices of one body are one"
    rates = cells(read, "Throughput over the time")
    assert len(rates) == 40
    assert rates[0] == ["0.000 s to 0.050 s", "0 B/s"]
    assert rates[8] == ["0.400 s to 0.450 s", "3.8 MiB/s"], "three connections at 400,000 bytes in 0.3 s"
    assert any("5 short spans are left out" in each.text for each in read.all("figcaption"))


def test_many_spans_are_drawn_whole() -> None:
    """A path of thousands of characters is cut nowhere."""
    first = entry(0)
    spans = tuple(
        Stretch(0, 0, ("first_byte", "receive")[number % 2], number / 1000, (number + 1) / 1000, 1)
        for number in range(600)
    )
    times = Profiled(first.when, first.url, 0.6, first.sources, spans, 0)
    read = check(page(EMPTY._replace(entries=[first], totals=Totals(1), profiles=[times])))
    drawn = next(each for each in read.all("svg") if each.children[0].text == "What each connection did when")
    shapes = [each.attributes["d"] or "" for each in drawn.all("path")]
    assert max(map(len, shapes)) > 4000
    rectangle = r"M[\d.e+-]+ [\d.e+-]+h[\d.e+-]+v[\d.e+-]+h-[\d.e+-]+z"
    assert all(re.fullmatch(rf"(?:{rectangle})+", shape) for shape in shapes)
    assert sum(len(re.findall("z", shape)) for shape in shapes) > 500
    assert "The 600 longest" not in read.root.text


def test_without_a_waterfall_it_says_how_to_get_one() -> None:
    read = check(page(known.facts()._replace(profiles=[])))
    downloads = next(each for each in read.all("section") if each.attributes["id"] == "downloads")
    assert downloads.text.count("fastdl get --profile times.json URL") == 7
    assert downloads.text.count("Bytes by source") == 6


def test_an_old_waterfall_is_shown_below_the_newest_downloads() -> None:
    entries = [entry(number) for number in range(30)][::-1]
    facts = EMPTY._replace(entries=entries, totals=Totals(30), profiles=[profiled(entries[29])])
    read = check(page(facts))
    downloads = next(each for each in read.all("section") if each.attributes["id"] == "downloads")
    names = [each.children[0].text for each in downloads.children if each.name == "details"]
    assert len(names) == 21
    assert "with a waterfall" in names[20]
    assert "open" in downloads.children[-1].attributes


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_whatever_comes_from_outside_is_text(attack: str) -> None:
    hostile = Entry(NOW, attack, attack, 1, 1.0, 1.0, 5, attack, attack, attack, ((attack, attack, 1),), (1,))
    times = Profiled(NOW, attack, 1.0, ((attack, attack, 1),), (Stretch(0, 0, attack, 0.0, 1.0, 1),), 0)
    evil = Server(attack, 1.0, 1.0, 1, 1.0, True, 1.0, 1, NOW, 1)
    heap = known.facts().heaps["routes"]
    text = page(Facts([evil], [(attack, NOW, attack)], {attack: (1, 1)}, {attack: heap}, Totals(1), [hostile], [times]))
    read = check(text)
    assert "hunter2" not in text
    assert "\u202e" not in read.root.text and "\x1b" not in read.root.text and "\x00" not in text
    assert len(read.all("style")) == len(read.all("title")) - sum(
        each.attributes.get("role") == "img" for each in read.all("svg")
    )


@given(text=st.text(max_size=60))
def test_any_text_stays_text(text: str) -> None:
    read = Page(el("p", text, title=text, class_="x").encode("ascii", "xmlcharrefreplace").decode())
    (paragraph,) = read.all()
    assert list(paragraph.attributes) == ["title", "class"]
    assert paragraph.text == paragraph.attributes["title"]


def test_markup_is_not_escaped_twice() -> None:
    assert el("p", el("b", "<&>")) == "<p><b>&lt;&amp;&gt;</b></p>"
    assert el("meta", name_="a", content=None) == '<meta name="a">'
    assert el("details", open=True, hidden=False) == "<details open></details>"
    assert isinstance(el("p"), Markup)


def test_absurd_values() -> None:
    """A clock that was wrong, sizes that nobody has, times of nothing."""
    entries = [
        Entry(when, "https://a.example/", None, size, seconds, rate)
        for when in (-1e30, 1e30, NOW, float(2**40))
        for size, seconds, rate in ((None, 0.0, 0.0), (2**62, 1e9, 1e18), (0, 1e-9, 1e-9))
    ]
    times = Profiled(NOW, "https://a.example/", 0.0, (), (), 0)
    short = Profiled(NOW, "https://a.example/", 0.0, (("a", "origin", 1),), (Stretch(0, 0, "receive", 0, 0, 9),), 0)
    far = server(1, seen=1e30, rate=1e30, latency=1e9)
    for profile in (times, short):
        check(page(Facts([far], [], {"x": (0, 0)}, {}, Totals(12), entries, [profile])))


@pytest.mark.parametrize(
    ("rates", "lines"),
    [
        ([3e6, 5e6], ["1.0 MiB/s", "32.0 MiB/s"]),
        ([3e6, 0.0], ["1.0 MiB/s", "32.0 MiB/s"]),
        ([1.0, 900.0], ["1 B/s", "32 B/s", "1.0 KiB/s"]),
        ([0.0], ["1 B/s", "32 B/s"]),
        ([float(1 << 20)], ["1.0 MiB/s", "32.0 MiB/s"]),
        ([1e15], ["32.0 GiB/s", "1.0 TiB/s"]),
    ],
)
def test_each_line_is_32_times_the_one_below(rates: list[float], lines: list[str]) -> None:
    """Downloads without a rate have failed: they lie on the lowest line and do not press the others together."""
    drawn = dots(Names(), "title", "text", [Dot(0.5, rate, not rate) for rate in rates], ("", ""))
    shown = re.findall(r'<text x="-?[0-9]+" y="[^"]*" class="axis">([^<]*)<', drawn)
    assert shown == lines
    heights = [float(y) for y in re.findall(r'(?:cy="|y=")([0-9.]+)"(?: r="3"| class="cross")', drawn)]
    assert len(heights) == len(rates) and all(15 <= y <= 172 for y in heights)


def test_a_large_state_folder_makes_a_small_page() -> None:
    hosts = [f"h{number}.example.org" for number in range(1900)]
    entries = [entry(number, tuple(hosts[number % 1897 :][:4])) for number in range(10_000)]
    servers = [server(number) for number in range(2000)]
    lies = [(f"l{number}.example.org", NOW, "it lied") for number in range(1000)]
    spans = tuple(
        Stretch(
            number % 16,
            number % 4,
            ("first_byte", "receive")[number % 2],
            number / 1e3,
            number / 1e3 + number * 1e-6,
            9,
        )
        for number in range(2000)
    )
    profiles = [Profiled(each.when, each.url, 2.0, each.sources, spans, 0) for each in entries[:20]]
    text = page(Facts(servers, lies, {}, {}, Totals(10_000), entries, profiles))
    assert len(text) < 1_000_000
    read = check(text)
    assert len(cells(read, "Downloads by day")) == 90
    assert len(cells(read, "Downloads and their rates")) == 200
    assert len(cells(read, "Rate, latency")) == 100
    shares = cells(read, "Bytes by source")
    assert len(shares) == 21
    assert shares[-1][0].replace("\N{NARROW NO-BREAK SPACE}", " ") == "1 880 others together"
    said = read.root.text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "The 100 of 2 000 that sent most are shown" in said
    assert "Of 834 days the last 90 are shown." in said


def test_days_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry(0)._replace(when=NOW + 16 * 3600 - 1), entry(0)._replace(when=NOW + 16 * 3600), entry(0)]
    text = page(EMPTY._replace(entries=entries, totals=Totals(3)))
    assert [row[:2] for row in cells(check(text), "Downloads by day")] == [["2027-01-16", "1"], ["2027-01-15", "2"]]
    assert '<time datetime="2027-01-15T23:59:59Z">2027-01-15 23:59</time>' in text
    assert "UTC+00:00)" in text
    monkeypatch.setattr(time, "localtime", lambda when: time.gmtime(when + DAY / 24))
    rows = cells(check(page(EMPTY._replace(entries=entries, totals=Totals(3)))), "Downloads by day")
    assert [row[:2] for row in rows] == [["2027-01-16", "2"], ["2027-01-15", "1"]]


# --- colours -----------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrasts(palette: dict[str, str]) -> None:
    for text in ("text", "muted", "accent", "bad"):
        for behind in ("page", "panel"):
            assert contrast(palette[text], palette[behind]) >= 4.5, (text, behind)
    for number in range(SERIES):
        assert contrast(palette["on"], palette[f"s{number}"]) >= 4.5, "letters on bars"
        assert contrast(palette[f"s{number}"], palette["page"]) >= 3, "shapes"
    assert contrast(palette["wait"], palette["page"]) >= 3


def test_every_colour_is_one_of_the_palettes() -> None:
    assert set(re.findall(r"var\(--(\w+)\)", CSS)) <= set(LIGHT)
    assert list(LIGHT) == list(DARK)
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", CSS)) == set(LIGHT.values()) | set(DARK.values())
    assert "url(" not in CSS and "@import" not in CSS and "@GUTTER" not in CSS and "</" not in CSS


def test_every_class_has_a_rule() -> None:
    used = {
        name for element in Page(page(known.facts())).all() for name in (element.attributes.get("class") or "").split()
    }
    ruled = set(re.findall(r"\.([a-z]\w*)", CSS))
    assert used <= ruled
    assert "Content-Security-Policy" in page(EMPTY)
