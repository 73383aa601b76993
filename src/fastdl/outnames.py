"""No file that a run writes beside its downloads (`--profile`, `--metrics`) is another one that the run reads or
writes: a list or a key under that name would be gone."""

from __future__ import annotations

import os

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import UsageError
from fastdl.io.outfile import same_file

if TYPE_CHECKING:
    from fastdl.settings import Settings

_NAMED = (
    "profile", "metrics", "log", "input_file", "lock", "from_curl", "cookies", "netrc_file", "cacert", "cert", "key",
)  # fmt: skip


def check_name(own: str, path: str, settings: Settings, hint: str) -> None:
    """`path` is what the setting `own` names. Raises UsageError that names the other option."""
    others = {name: getattr(settings, name) for name in _NAMED if name != own}
    if settings.output is not None:
        others["output"] = settings.output if settings.output == "-" else os.path.join(settings.dir, settings.output)
    for name, other in others.items():
        if other is not None and other != "-" and same_file(path, other):
            raise UsageError(f"--{own} and --{name.replace('_', '-')} name the same file", path, hint)
