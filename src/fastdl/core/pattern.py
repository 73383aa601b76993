"""Regular expressions that are compiled when they are first used.

To compile one takes 0.1-0.5 ms, a hundred are written in this program, and a download of an ordinary file meets ten of
them. Flags are written inline, `(?i)` and so on, so that nothing of `re` is needed before.
"""

from __future__ import annotations

from fastdl.core.hints import TYPE_CHECKING

__all__ = ["pattern"]

if TYPE_CHECKING:
    from re import compile as pattern
else:

    class pattern:
        """What `re.compile` would give for the text, as soon as something is asked of it."""

        def __init__(self, text) -> None:
            self._text = text

        def __getattr__(self, name):
            import re

            found = self.__dict__[name] = getattr(re.compile(self._text), name)
            return found
