"""How browsers quote, written anew from what their copies look like: what the reader has to undo."""

from __future__ import annotations

import re


def chrome_bash(text: str) -> str:
    """Single quotes, or $'...' with \\u where there is a quote, a '!' or a control character."""
    if not re.search(r"[\x00-\x1f\x7f-\x9f!']", text):
        return f"'{text}'"
    named = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}
    coded = (named.get(char) or (f"\\u{ord(char):04x}" if _needs(char) else char) for char in text)
    return "$'" + "".join(coded) + "'"


def _needs(char: str) -> bool:
    return char == "!" or ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F


def firefox_bash(text: str) -> str:
    """As Chrome's, but each character outside ASCII is coded, those beyond 16 bits as two halves."""
    if not re.search(r"[^\x20-\x7e]|!|'", text):
        return f"'{text}'"
    named = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "!": "\\041"}
    return "$'" + "".join(named.get(char) or _coded(char) for char in text) + "'"


def _coded(char: str) -> str:
    if " " <= char <= "~":
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in codes)


def chrome_cmd(text: str) -> str:
    """Everything that cmd.exe or a program's start-up code might read is escaped, the quotes around it too."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = re.sub(r"[^a-zA-Z0-9\s_\-:=+~'/.',?;()*`]", lambda found: "^" + found[0], text)
    text = re.sub(r"%(?=[a-zA-Z0-9_])", "%^", text)
    return '^"' + text.replace("\n", "^\n\n") + '^"'


def firefox_cmd(text: str) -> str:
    """Without doubled backslashes."""
    text = text.replace('"', '\\"')
    text = re.sub(r"[^a-zA-Z0-9\s_\-:=+~/.',?;()*`]", lambda found: "^" + found[0], text)
    text = re.sub(r"%(?=[a-zA-Z0-9_])", "%^", text)
    return '^"' + text.replace("\n", "^\n\n") + '^"'


def powershell(text: str) -> str:
    """Single quotes, doubled within; a quote for the program is escaped for older versions."""
    return "'" + text.replace("'", "''").replace('"', '\\"') + "'"
