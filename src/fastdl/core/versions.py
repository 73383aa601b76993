"""Which of two versions is newer, by the order of PEP 440; the common spellings of semantic versions fit in too.

Only what releases are called is needed, so this stands here and not a dependency.
"""

from __future__ import annotations

import re

from fastdl.core.record import Record

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d{1,9})!)?(?P<release>\d{1,9}(?:\.\d{1,9}){0,9})"
    r"(?:[-_.]?(?P<stage>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<number>\d{1,9})?)?"
    r"(?:-(?P<again>\d{1,9})|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<times>\d{1,9})?)?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<day>\d{1,9})?)?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?",
    re.IGNORECASE | re.ASCII,
)
_STAGES = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "preview": 2, "pre": 2, "rc": 2, "c": 2}
_BEFORE, _AFTER = -1, 1 << 40


class Version(Record):
    """A version as something that can be compared: a later one is greater. What stands behind a `+` says nothing."""

    epoch: int
    release: tuple[int, ...]
    stage: tuple[int, int]
    post: int
    dev: int

    @property
    def final(self) -> bool:
        """Neither a pre-release nor a development version."""
        return self.stage == (_AFTER, 0) and self.dev == _AFTER


def parse_version(text: str) -> Version | None:
    """The version that `text` names, `v1.2` too; None where it names none."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = _BEFORE
    if match["post"] or match["again"]:
        post = int(match["again"] or match["times"] or 0)
    dev = int(match["day"] or 0) if match["dev"] else _AFTER
    if match["stage"]:
        stage = (_STAGES[match["stage"].lower()], int(match["number"] or 0))
    else:  # 1.0.dev1 comes before 1.0a1, 1.0.post1.dev1 after 1.0
        stage = (_BEFORE, 0) if match["dev"] and post == _BEFORE else (_AFTER, 0)
    return Version(int(match["epoch"] or 0), tuple(release), stage, post, dev)
