"""Names that servers choose: right where they are honest, harmless where they are not."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastdl.core.naming import MAX_BYTES, SafeName, choose_name, disposition_filename, renamed, safe_name
from fastdl.core.urls import parse_url

CASES = json.loads((Path(__file__).parent / "data" / "disposition.json").read_text(encoding="utf-8"))["cases"]
URL = parse_url("http://127.0.0.1:8000/dl/urlname.bin")
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from('/\\.:*?"<>| \t\r\n\x00\x7f\x85\xad\u061c\u200b\u200d\u202e\u2028\u2066\ufeff\ud800'),
        st.sampled_from("conCONnulprnAUX\u00b9\u00b2"),
    ),
    max_size=300,
)


def chosen(header: bytes | None, given_url: str = URL.text, final: str | None = None, *, windows: bool = False) -> str:
    disposition = None if header is None else header.decode("latin-1")
    return choose_name(disposition, parse_url(given_url), parse_url(final or given_url), windows=windows)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_disposition_collection(case: dict[str, object]) -> None:
    names = case["names"]
    assert isinstance(names, list)
    assert chosen(bytes.fromhex(str(case["header_hex"]))) in [name or "urlname.bin" for name in names]


def test_the_collection_is_whole() -> None:
    assert len(CASES) == 107
    assert len({case["id"] for case in CASES}) == 107


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("", None),
        ("attachment; filename=", None),
        ('attachment; filename=""', None),
        ("attachment; filename=a.zip; filename*=UTF-8''%ff", "a.zip"),
        ("attachment; filename*=utf-7''+AC8-; filename=a.zip", "a.zip"),
        ("attachment; filename*=idna''xn--a; filename=a.zip", "a.zip"),
        ("attachment; filename*=Shift_JIS'ja'%93%FA%96%7B.txt", "日本.txt"),
        ("attachment; filename*=UTF-8''a b.txt", "a b.txt"),
        ('attachment; filename="a;b\\\\c.txt" ; size=3', "a;b\\c.txt"),
        ('attachment; size=5" ; filename=a.txt', "a.txt"),
        ('form-data; name="x"; filename="up.bin"', "up.bin"),
        ("attachment;filename=a.txt;", "a.txt"),
        ("attachment; filename*=UTF-8''b%; filename=a.txt", "a.txt"),
        ("attachment; filename*=UTF-8''a; filename*=UTF-8''b", "a"),
        ('attachment; filename="a\\";b.txt"; x=1', 'a";b.txt'),
        ("attachment; filename='", "'"),
    ],
)
def test_disposition_filename(header: str | None, name: str | None) -> None:
    assert disposition_filename(header) == name


def test_a_long_hostile_header_is_read_in_linear_time() -> None:
    # A quadratic reader would need minutes here, and the suite's own time-out would tell.
    for piece in (" ", '"', "\\", ";", "=", "'", "%", ",", "a=", 'filename="', " filename*=", "filename=a "):
        disposition_filename("attachment; filename=" + piece * 65536)
        disposition_filename(piece * 65536)


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        ("plain.txt", "plain.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\evil.exe", "evil.exe"),
        ("dir/", None),
        ("..", None),
        ("\u200b.\u202e", None),
        ("\u00a0\u3000", None),
        ("", None),
        (".bashrc", "bashrc"),
        (" . .profile", "profile"),
        ("a\r\nb\x1b[31m.txt", "a__b_[31m.txt"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("zero\u200bwidth\ufeff.txt", "zero_width_.txt"),
        ("line\u2028break\u2029.txt", "line_break_.txt"),
        ("half\ud83d.txt", "half_.txt"),
        ("nul", "_nul"),
        ("Con.tar.gz", "_Con.tar.gz"),
        ("aux .h", "_aux .h"),
        ("COM\u00b9.txt", "_COM\u00b9.txt"),
        ("lpt9", "_lpt9"),
        ("conin$", "_conin$"),
        ("CONOUT$.x", "_CONOUT$.x"),
        ("clock$", "_clock$"),
        ("nul:stream", "_nul:stream"),
        ("console.txt", "console.txt"),
        ("com10.txt", "com10.txt"),
        ("a.fastdl", "a.fastdl_"),
        ("a.FASTDL.Journal", "a.FASTDL.Journal_"),
        ("a.fa\u017ftdl", "a.fa\u017ftdl_"),
        ("a.fast\ufe0fdl", "a.fast\ufe0fdl_"),
        ("fastdl", "fastdl"),
        ("what? a:b*c <1>|.txt", "what? a:b*c <1>|.txt"),
        ("trailing. . ", "trailing. . "),
        ("-rf", "-rf"),
        ("e\u0301.txt", "e\u0301.txt"),
    ],
)
def test_safe_name(candidate: str, name: str | None) -> None:
    assert safe_name(candidate, windows=False) == name


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        ('a:b*c?d"e<f>g|h.txt', "a_b_c_d_e_f_g_h.txt"),
        ("trailing. . ", "trailing____"),
        ("a.fastdl. ", "a.fastdl__"),
        ("a.fastdl:x", "a.fastdl_x"),
        ("con:x", "con_x"),
        ("nul ", "_nul_"),
    ],
)
def test_safe_name_on_windows(candidate: str, name: str) -> None:
    assert safe_name(candidate, windows=True) == name


@pytest.mark.parametrize(
    ("stem", "extension"),
    [
        ("x" * 400, ".txt"),
        ("x" * 400, ".tar.gz"),
        ("x" * 400, ".tar.zst.sha256"),
        ("\u00e4" * 300, ".zip"),
        ("\U0001f600" * 100, ".tar.xz"),
        ("a \u20ac" * 100, ""),
    ],
)
def test_long_names_are_cut_before_the_extension(stem: str, extension: str) -> None:
    name = safe_name(stem + extension, windows=False)
    assert name is not None
    assert name.endswith(extension)
    assert stem.startswith(name.removesuffix(extension))
    size = len(f"{name}.fastdl.journal".encode())
    assert 255 - 6 <= size <= 255


def test_a_cut_does_not_make_what_was_refused() -> None:
    device = safe_name("con" + " " * 300 + ".txt", windows=False)
    assert device is not None
    assert device.startswith("_con ")
    # The cut ends exactly behind ".fastdl".
    ours = safe_name("a" * (MAX_BYTES - 7) + ".fastdl " + "b" * 50, windows=False)
    assert ours is not None
    assert not ours.endswith(".fastdl")
    ends_in_space = safe_name("a" * (MAX_BYTES - 1) + " " + "b" * 50, windows=True)
    assert ends_in_space is not None
    assert ends_in_space.endswith("a_")


def test_no_name_says_stdout() -> None:
    assert safe_name("-", windows=False) == safe_name("a/-", windows=True) == "_-"
    assert safe_name("--", windows=False) == "--"


def check_harmless(name: str, *, windows: bool) -> None:
    assert name
    assert name[0] != "."
    assert not set(name) & set("/\\")
    assert len(f"{name}.fastdl.journal".encode()) <= 255
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in name)
    assert not name.lower().endswith((".fastdl", ".fastdl.journal"))
    base = name.split(".")[0].split(":")[0].rstrip(" ").upper()
    assert base not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}
    assert not (len(base) == 4 and base[:3] in {"COM", "LPT"} and base[3] in "123456789\u00b9\u00b2\u00b3")
    if windows:
        assert not set(name) & set(':*?"<>|')
        assert name[-1] not in ". "


@given(HOSTILE, st.booleans())
@example("a" * 233 + ".fastdl", True)
@example("a" * 232 + ".fastdl.journal", False)
@example("nul" + "." * 236 + "a", True)
@example("nul." + "a" * 229 + ".fastdl", False)  # a guard at both ends
def test_any_name_is_harmless_and_stays_as_it_is(candidate: str, windows: bool) -> None:
    name = safe_name(candidate, windows=windows)
    if name is not None:
        check_harmless(name, windows=windows)
        assert safe_name(name, windows=windows) == name


@given(HOSTILE, st.booleans(), st.integers(1, 10**6))
def test_renamed_is_harmless_too(candidate: str, windows: bool, number: int) -> None:
    name = safe_name(candidate, windows=windows)
    if name is not None:
        other = renamed(name, number)
        check_harmless(other, windows=windows)
        assert other != name
        assert str(number) in other


@given(st.text(st.characters(max_codepoint=255)), st.booleans())
def test_any_header_gives_a_harmless_name(header: str, windows: bool) -> None:
    for text in (header, f"attachment; filename={header}", f"attachment; filename*=UTF-8''{header}"):
        check_harmless(choose_name(text, URL, URL, windows=windows), windows=windows)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_a_correct_server_quotes_is_read_back(name: str) -> None:
    percent = "".join(f"%{byte:02x}" for byte in name.encode())
    assert disposition_filename(f"attachment; filename=x; filename*=UTF-8''{percent}") == name
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode().decode("latin-1")
    assert disposition_filename(f'attachment; filename="{quoted}"; size=1') == name


@pytest.mark.parametrize(
    ("given_url", "final", "name"),
    [
        ("https://example.org/a.zip", "https://cdn.example.com/0f3b", "a.zip"),
        ("https://example.org/latest", "https://example.org/app-1.2.tar.gz", "app-1.2.tar.gz"),
        ("https://example.org/download/1.2.3", "https://example.org/app-1.2.3.dmg", "app-1.2.3.dmg"),
        ("https://example.org/latest", "https://example.org/", "download"),
        ("https://example.org/", "https://example.org/", "download"),
        ("https://example.org", "https://example.org/b?file=c.zip", "b"),
        ("https://example.org/a%20b.txt?x=/c.zip", "https://example.org/", "a b.txt"),
        ("https://example.org/a%2Fb.txt", "https://example.org/", "b.txt"),
        ("https://example.org/%2e%2e%2f%2e%2e", "https://example.org/%2e%2e%5C", "download"),
        ("https://example.org/%E4%F6.txt", "https://example.org/", "%E4%F6.txt"),
        ("https://example.org/%c3%a4.txt", "https://example.org/", "ä.txt"),
        ("https://example.org/ä.txt", "https://example.org/", "ä.txt"),
        ("https://example.org/a%0d%0ab%00.txt", "https://example.org/", "a__b_.txt"),
        ("https://example.org/.hidden", "https://example.org/.hidden", "hidden"),
        ("https://example.org/con.txt", "https://example.org/", "_con.txt"),
    ],
)
def test_name_from_the_url(given_url: str, final: str, name: str) -> None:
    assert chosen(None, given_url, final) == name


def test_the_header_beats_the_url_unless_nothing_of_it_is_left() -> None:
    assert chosen(b"attachment; filename=b.zip", "https://example.org/a.zip") == "b.zip"
    assert chosen(b"attachment; filename=..", "https://example.org/a.zip") == "a.zip"
    assert chosen(b'attachment; filename="a:b."', windows=True) == "a_b_"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("a.txt", "a.7.txt"),
        ("a.tar.gz", "a.7.tar.gz"),
        ("a.tar.gz.asc", "a.7.tar.gz.asc"),
        ("a.gz.gz.gz.gz.gz", "a.gz.7.gz.gz.gz.gz"),
        ("a", "a.7"),
        ("v1.2.gz", "v1.2.7.gz"),
        ("Mr. Smith", "Mr. Smith.7"),
        ("x" * 236 + ".txt", "x" * 234 + ".7.txt"),
    ],
)
def test_renamed(name: str, other: str) -> None:
    assert renamed(SafeName(name), 7) == other
