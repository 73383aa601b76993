"""The name of a file when the user gave none.

A server chooses it, so it is hostile until proven otherwise: it must stay in the folder, be the same plain name on
every system, hide nothing from the eye, and leave room for the two files that lie beside it while it downloads. What
passed is a `SafeName`; the type checker refuses any other string where a path is made.
"""

from __future__ import annotations

import functools
import re

from fastdl.core.hints import NewType
from fastdl.core.pattern import pattern
from fastdl.core.shown import UNSAFE, is_plain, percent_decoded
from fastdl.core.urls import Url

SafeName = NewType("SafeName", str)

# NAME.fastdl.journal must fit the 255 bytes that most file systems give a name.
MAX_BYTES = 255 - len(".fastdl.journal")
FALLBACK = SafeName("download")

_WINDOWS_ONLY = pattern('[:*?"<>|]')
_WINDOWS_END = pattern(r"[. ]+\Z")
_LEADING = pattern(r"\A[\s.]+")
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
# Variation selectors are ignored by file systems that fold letter case; so they are where names are compared.
_VARIATION = pattern("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_VERSION = pattern(r"[vV]?[0-9]+(?:\.[0-9]+)+")

# Suffixes that say how something is packed, signed or summed; what it is stands in the suffix before.
_PACKED = frozenset(("gz", "bz2", "xz", "zst", "zstd", "lz", "lz4", "lzma", "lzo", "br", "z", "torrent", "part"))
_PROVED = frozenset(("asc", "sig", "sign", "minisig", "md5", "sha1", "sha256", "sha512", "b2"))
_WRAPPERS = _PACKED | _PROVED
_INNER = pattern(r"[A-Za-z][A-Za-z0-9]{0,7}")

# The charsets that servers were seen to use in `filename*`; a codec of the server's free choice is no plaything.
_CHARSET = pattern(
    "(?i)utf-?8|us-ascii|iso-8859-(?:1|2|5|15)|latin1|windows-125[0-9]|koi8-r|gbk|gb2312|gb18030|big5|shift_jis|euc-jp|"
    "iso-2022-jp|euc-kr"
)
_NAME_AND_VALUE = pattern(r"(?s)\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(.*)")
_QUOTED = pattern(r'(?s)"((?:[^"\\]|\\.)*)')
# Where an unquoted value ends although no semicolon says so: a quote, the next list member, a forgotten delimiter.
_LOOSE_END = pattern(r'(?i)"|,\s?(?:attachment|inline)\b|[\s,][A-Za-z*-]{1,40}=')
_EXTENDED = pattern(r"(?s)([^'\s]*)'[^']*'(.*)")
_BAD_PERCENT = pattern("%(?![0-9A-Fa-f]{2})")


def choose_name(disposition: str | None, given: Url, final: Url, *, windows: bool) -> SafeName:
    """The name for a file: of the Content-Disposition of the last response (latin-1 text, None without one); else of
    the URL as given, if its last segment has an extension; else of the final URL; else "download"."""
    named = disposition_filename(disposition)
    if named is not None and (safe := safe_name(named, windows=windows)):
        return safe
    of_given = _segment_name(given.path, windows)
    if of_given and _extension(of_given) and not _is_version(of_given):
        return of_given
    return _segment_name(final.path, windows) or FALLBACK


def _is_version(name: str) -> bool:
    return (name[0] in "vV" or name[0].isdigit()) and _VERSION.fullmatch(name) is not None


@functools.lru_cache(maxsize=256)  # a download asks for its name several times
def _segment_name(path: str, windows: bool) -> SafeName | None:
    segment = path.rpartition("/")[2]
    try:
        name = percent_decoded(segment).decode()
    except UnicodeDecodeError:
        name = segment  # of no known encoding: the name keeps its percent signs
    return safe_name(name, windows=windows)


# --- Content-Disposition ---------------------------------------------------------------------------------


def disposition_filename(header: str | None) -> str | None:
    """The file name in a Content-Disposition header (RFC 6266), as the server wrote it: not safe yet. `filename*`
    (RFC 8187) wins over `filename`, of each the first that can be read. None where there is none.

    Bytes above ASCII are UTF-8 where they are valid as such, else ISO-8859-1. Percent signs and RFC 2047 words in
    `filename` are plain characters, and the continuations of RFC 2231 do not exist in HTTP (RFC 6266, 4.1)."""
    if not header:
        return None
    plain = extended = None
    for name, value in _parameters(header):
        if name == "filename*":
            extended = extended or _decode_extended(value)
        elif name == "filename":
            plain = plain or _utf8_if_valid(value)
    return extended or plain or None


def _parameters(header: str) -> list[tuple[str, str]]:
    """Names in lower case and values of all that looks like a parameter; the disposition itself may be missing."""
    found = (_NAME_AND_VALUE.fullmatch(piece) for piece in _pieces(header))
    return [(pair[1].lower(), _value(pair[2])) for pair in found if pair]


def _pieces(header: str) -> list[str]:
    """The header cut at semicolons, but not inside a quoted string. A quote opens one only where a value or a piece
    begins; elsewhere it is a stray."""
    pieces, start, quoted, escaped, opening = [], 0, False, False, True
    for place, character in enumerate(header):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == ";":
            pieces.append(header[start:place])
            start, opening = place + 1, True
        elif character == '"' and opening:
            quoted, opening = True, False
        else:
            opening = character == "=" or (opening and character.isspace())
    return [*pieces, header[start:]]


def _value(text: str) -> str:
    """A parameter's value: a quoted string (what follows its end is dropped, the end may be missing) or a token, read
    generously."""
    if quoted := _QUOTED.match(text):
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    end = _LOOSE_END.search(text)
    return (text[: end.start()] if end else text).strip().rstrip(",")


def _utf8_if_valid(text: str) -> str:
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _decode_extended(value: str) -> str | None:
    """The text of an ext-value (RFC 8187, 3.2): charset'language'percent-encoded. None where it is broken."""
    found = _EXTENDED.fullmatch(value)
    if found is None or _BAD_PERCENT.search(found[2]):
        return None
    charset = found[1] or "utf-8"
    if not _CHARSET.fullmatch(charset):
        return None
    try:
        # Raw bytes do not belong here, but where they are they are of the same charset.
        return percent_decoded(found[2], "latin-1").decode(charset)
    except (UnicodeError, LookupError):
        return None


# --- safety ----------------------------------------------------------------------------------------------


def safe_name(candidate: str, *, windows: bool) -> SafeName | None:
    """A name made harmless: its last path part, without what hides or steers, no dot file, no device of any system,
    short enough. None where nothing of it is left."""
    name = candidate.replace("\\", "/").rpartition("/")[2]
    if is_plain(name) and name[:1] not in ("", " ", "."):
        harmless = name
    elif not _LEADING.sub("", UNSAFE.sub("", name)):
        return None
    else:
        harmless = _LEADING.sub("", UNSAFE.sub("_", name))
    safe = _fitted(_WINDOWS_ONLY.sub("_", harmless) if windows else harmless)
    if windows:  # last, because a cut can end at a dot or a space
        safe = SafeName(_WINDOWS_END.sub(lambda found: "_" * len(found[0]), safe))
    return safe


def renamed(name: SafeName, number: int) -> SafeName:
    """The name with a number before its extension, "file.1.tar.gz", within the same length."""
    return _fitted(name, f".{number}")


def _fitted(name: str, inset: str = "") -> SafeName:
    """The name with `inset` before its extension, no device, none of our own partial files, within MAX_BYTES."""
    extension = _extension(name)
    stem = name.removesuffix(extension)
    for room in (MAX_BYTES, MAX_BYTES - 2):  # a guard may need a byte at each end
        kept = stem.encode()[: room - len((inset + extension).encode())].decode("utf-8", "ignore")
        whole = _guarded(kept + inset + extension)
        if len(whole.encode()) <= MAX_BYTES:
            break
    return SafeName(whole)


def is_device(name: str) -> bool:
    """Whether some system takes a plain name for a device: Windows "con.txt", "CON .txt" and "con:x" too."""
    return name.partition(".")[0].partition(":")[0].rstrip(" ").upper() in _DEVICES


def _guarded(name: str) -> str:
    if is_device(name) or name == "-":  # which says stdout, as the value of an option and in what is told of a file
        name = f"_{name}"
    # "a.fastdl" is where the data of another download, that of "a", would lie.
    seen = name if name.isascii() else _VARIATION.sub("", name)
    if seen.casefold().endswith((".fastdl", ".fastdl.journal")):
        name = f"{name}_"
    return name


def _extension(name: str) -> str:
    """The last suffix with its dot, and the one before where the last is a wrapper: ".zip", ".tar.gz",
    ".tar.gz.asc"; empty where there is none."""
    stem, _, suffix = name.rpartition(".")
    if not stem or not 0 < len(suffix) <= 32 or any(character.isspace() for character in suffix):
        return ""
    extension = f".{suffix}"
    while suffix.lower() in _WRAPPERS and extension.count(".") < 4:
        stem, _, suffix = stem.rpartition(".")
        if not stem or not _INNER.fullmatch(suffix):
            break
        extension = f".{suffix}{extension}"
    return extension
