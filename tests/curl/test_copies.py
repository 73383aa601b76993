"""Copies as programs make them, each written out in full: they all ask for the same file in the same way."""

from __future__ import annotations

import pytest

from fastdl.core.curl.request import requests_of
from fastdl.core.curl.words import commands_of

URL = "https://files.example.org/a%202026.pdf?id=[7]&v=1%2C2&t=a%20b"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
BRANDS = 'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"'
COOKIE = "sid=s%3Aab!c; name=O'Neil; pct=50%"

COPIES = {
    "Chrome, bash": rf"""curl 'https://files.example.org/a%202026.pdf?id=\[7\]&v=1%2C2&t=a%20b' \
  -H 'accept: application/pdf' \
  -H 'accept-encoding: gzip, deflate, br, zstd' \
  -b $'sid=s%3Aab\u0021c; name=O\'Neil; pct=50%' \
  -H 'if-none-match: W/"5"' \
  -H 'referer: https://files.example.org/list' \
  -H '{BRANDS}' \
  -H 'user-agent: {AGENT}'
""",
    "Chrome before 2024, bash": rf"""curl 'https://files.example.org/a%202026.pdf?id=\[7\]&v=1%2C2&t=a%20b' \
  -H 'authority: files.example.org' \
  -H 'accept: application/pdf' \
  -H $'cookie: sid=s%3Aab\u0021c; name=O\'Neil; pct=50%' \
  -H 'referer: https://files.example.org/list' \
  -H '{BRANDS}' \
  -H 'user-agent: {AGENT}' \
  --compressed ;
""",
    "Chrome and Edge, cmd": rf"""curl ^"https://files.example.org/a^%^202026.pdf?id=^\[7^\]^&v=1^%^2C2^&t=a^%^20b^" ^
  -H ^"accept: application/pdf^" ^
  -b ^"sid=s^%^3Aab^!c; name=O'Neil; pct=50^%^" ^
  -H ^"referer: https://files.example.org/list^" ^
  -H ^"sec-ch-ua: ^\^"Chromium^\^";v=^\^"140^\^", ^\^"Not=A?Brand^\^";v=^\^"24^\^"^" ^
  -H ^"user-agent: {AGENT}^"
""",
    "Chrome before 2023, cmd": rf"""curl "https://files.example.org/a^%^202026.pdf?id=\[7\]&v=1^%^2C2&t=a^%^20b" ^
  -H "accept: application/pdf" ^
  -H "cookie: sid=s^%^3Aab^!c; name=O'Neil; pct=50^%" ^
  -H "referer: https://files.example.org/list" ^
  -H "sec-ch-ua: ^\^"Chromium^\^";v=^\^"140^\^", ^\^"Not=A?Brand^\^";v=^\^"24^\^"" ^
  -H "user-agent: {AGENT}" ^
  --compressed
""",
    "Firefox, bash": rf"""curl 'https://files.example.org/a%202026.pdf?id=[7]&v=1%2C2&t=a%20b' \
  --globoff \
  --compressed \
  -H 'User-Agent: {AGENT}' \
  -H 'Accept: application/pdf' \
  -H 'Accept-Encoding: gzip, deflate, br, zstd' \
  -H 'Referer: https://files.example.org/list' \
  -H '{BRANDS}' \
  -H 'Connection: keep-alive' \
  -H $'Cookie: sid=s%3Aab\041c; name=O\'Neil; pct=50%' \
  -H 'TE: trailers'
""",
    "Firefox, Windows": rf"""curl.exe ^"https://files.example.org/a^%^202026.pdf?id=^[7^]^&v=1^%^2C2^&t=a^%^20b^" ^
  --globoff ^
  -H ^"User-Agent: {AGENT}^" ^
  -H ^"Accept: application/pdf^" ^
  -H ^"Referer: https://files.example.org/list^" ^
  -H ^"sec-ch-ua: ^\^"Chromium^\^";v=^\^"140^\^", ^\^"Not=A?Brand^\^";v=^\^"24^\^"^" ^
  -H ^"Cookie: sid=s^%^3Aab^!c; name=O^'Neil; pct=50^%^"
""",
    "Safari": rf"""curl 'https://files.example.org/a%202026.pdf?id=\[7\]&v=1%2C2&t=a%20b' \
-X 'GET' \
-H 'Accept: application/pdf' \
-H $'Cookie: sid=s%3Aab\u0021c; name=O\'Neil; pct=50%' \
-H 'Referer: https://files.example.org/list' \
-H 'Range: bytes=0-1023' \
-H 'Host: files.example.org' \
-H '{BRANDS}' \
-H 'User-Agent: {AGENT}'
""",
    "for PowerShell": f"""curl.exe --globoff '{URL}' `
  -H 'accept: application/pdf' `
  -H "cookie: sid=s%3Aab!c; name=O'Neil; pct=50%" `
  -H 'referer: https://files.example.org/list' `
  -H '{BRANDS.replace('"', chr(92) + '"')}' `
  -A '{AGENT}'
""",
    "a client for testers": f"""curl --location --globoff --request GET '{URL}' \\
--header 'Accept: application/pdf' \\
--header 'Cookie: sid=s%3Aab!c; name=O'"'"'Neil; pct=50%' \\
--header 'Referer: https://files.example.org/list' \\
--header '{BRANDS}' \\
--header 'User-Agent: {AGENT}'
""",
    "a script": f"""$ curl -sSfLg -o "out file.pdf" \\
    -H "Accept: application/pdf" -e https://files.example.org/list \\
    -H "Cookie: {COOKIE}" -H "{BRANDS.replace('"', chr(92) + '"')}" \\
    --user-agent "{AGENT}" "{URL}"
""",
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("program", COPIES)
def test_all_copies_are_the_same_request(program: str, ends: str) -> None:
    (request,) = requests_of(commands_of(COPIES[program].replace("\n", ends)))
    values = dict(request.values)
    assert request.url == URL
    assert request.left == ()
    assert (values.pop("user_agent"), values.pop("referer")) == (AGENT, "https://files.example.org/list")
    headers = sorted(
        header.partition(": ")[0].lower() + ": " + header.partition(": ")[2] for header in values.pop("header")
    )
    assert headers == ["accept: application/pdf", f"cookie: {COOKIE}", BRANDS]
    assert values == ({"output": "out file.pdf"} if program.startswith("a script") else {})
