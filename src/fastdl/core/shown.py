"""What of a text from elsewhere may be shown: no secret of a URL in it, and no character that a terminal obeys."""

from __future__ import annotations

from fastdl.core.pattern import pattern

# Characters that move the cursor, reorder or hide text, or cannot be encoded: controls, format characters (bidi marks
# and zero-width ones among them), blank fillers, line and paragraph separators, surrogates, noncharacters.
UNSAFE = pattern(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)

_ENCODED = pattern(rb"%([0-9A-Fa-f]{2})")


def is_plain(text: str) -> bool:
    """True for printable ASCII, in which nothing can be unsafe. It saves most texts the compiling of a pattern."""
    return text.isascii() and text.isprintable()


def clean(text: str, limit: int = 500) -> str:
    """Text from elsewhere made fit for one line of a terminal: at most `limit` characters, no control, bidi,
    zero-width or broken ones."""
    if len(text) > limit:
        text = text[: max(limit - 3, 0)] + "..."
    if is_plain(text):
        return text
    return UNSAFE.sub(lambda found: " " if found[0].isspace() else "?", text)


def percent_decoded(text: str, encoding: str = "utf-8") -> bytes:
    """The bytes that percent-encoded text stands for; a "%" without two hex digits stays. Raises UnicodeEncodeError
    for characters that `encoding` has not."""
    if "%" not in text:
        return text.encode(encoding)
    return _ENCODED.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text.encode(encoding))


# --- secrets ---------------------------------------------------------------------------------------------

_SECRET_NAME = pattern(
    "(?is)token|access_token|auth|key|api_key|apikey|password|passwd|secret|sig|signature|policy|credential|session|jwt"
    "|code|se|sp|sv|sr|(?:x-amz-|x-goog-|x-oss-|q-).*"
)
_MASK = "***"

# Where a URL ends in a text.
_END = r'\x00-\x20"<>'
# Userinfo, in this order: a password with a bare "/", "?" or "#" in it, which leaves half of it where a port should be;
# the regular case; the regular case inside an encoded URL (…?url=https%3A%2F%2Fme%3Apw%40host).
_USERINFO = (
    pattern(rf"(?<=://)(?!\[|[^/?#{_END}]*@)([^/?#@{_END}]*:(?![0-9]*(?:[/?#{_END}]|\Z))[^{_END}]{{0,512}})(@)"),
    pattern(rf"(?<=://)([^/?#{_END}]+)(@)"),
    pattern(rf"(?i)(?<=%3a%2f%2f)((?:(?!%2f|%3f|%23)[^/?#&{_END}])+)(%40)"),
)
# A query name with its delimiter, encoded ones of nested URLs too (%253F is one of a URL nested twice).
_QUERY_NAME = pattern(
    r"(?i)(?:[?&;#]|%(?:25)*(?:3f|26|3b|23))"
    rf"((?:[^=&;#?%/{_END}]|%(?!(?:25)*(?:3f|26|3b|23|3d|2f))[0-9a-f]{{2}}){{1,200}})"
    r"(?:=|%(?:25)*3d)"
)
_QUERY_VALUE = pattern(f"[^&#{_END}]+")

# In a text that is one URL as a whole, spaces and quotes end nothing: while secrets are looked for they are letters.
_ONE_URL = pattern(r"(?s) *[A-Za-z][A-Za-z0-9+.-]*://(?!.*[\x00-\x20]\S*://)")
_AS_LETTERS = str.maketrans(' "<>', "____")


def mask(text: str) -> str:
    """Any text with userinfo and secret query values of the URLs in it as `***`. Masking twice changes nothing.

    A URL ends at white space, quotes and angle brackets; but a text that begins with the only URL in it is taken for
    that URL, to its end: better too much is hidden than half a secret shown."""
    pieces, place = [], 0
    for start, end in _secrets(text):
        if start >= place:  # else it lies inside the one before
            pieces += [text[place:start], _MASK]
        place = max(place, end)
    return "".join(pieces) + text[place:]


def is_masked(url_text: str) -> bool:
    """Whether a URL holds something that is not shown: `mask` would change it, or has changed it already."""
    return bool(_secrets(url_text))


def _secrets(text: str) -> list[tuple[int, int]]:
    """Where secrets begin and end."""
    if not any(mark in text for mark in "@?&;#%"):
        return []  # each of the patterns begins or ends with one of these: most texts need none of them
    if _ONE_URL.match(text):
        text = text.translate(_AS_LETTERS)
    spans: list[tuple[int, int]] = []
    for userinfo in _USERINFO:
        spans += [found.span(1) for found in userinfo.finditer(text)]
        # The next ones see it as it will be shown, at the same length: what was masked is not read twice.
        text = userinfo.sub(lambda found: "*" * len(found[1]) + found[2], text)
    place = 0
    for found in _QUERY_NAME.finditer(text):
        # What lies inside a value is not measured again, or the time would be quadratic.
        if found.start() >= place and _is_secret(found[1]) and (value := _QUERY_VALUE.match(text, found.end())):
            spans.append(value.span())
            place = value.end()
    return sorted(spans)


def _is_secret(name: str) -> bool:
    plain = percent_decoded(name, "ascii") if name.isascii() else b""
    return bool(_SECRET_NAME.fullmatch(plain.decode("latin-1")))
