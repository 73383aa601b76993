"""What a worker's own environment and config file allow of a run's settings: the smaller number holds."""

from __future__ import annotations

import os

from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.settings import Settings


def bounded(settings: Settings) -> Settings:
    """The settings of a run as far as this worker's own environment and config file let it; its rate is the worker's
    own. Raises UsageError."""
    from fastdl import combinations, config

    environ = os.environ
    layer: dict[str, Any] = {}
    required = bool(environ.get("FASTDL_CONFIG"))
    combinations.lay(layer, config.from_file(config.config_path(environ), required=required))
    combinations.lay(layer, config.from_environment(environ))
    made = replace(settings)
    for name in ("per_host", "jobs", "connections"):
        own, asked = layer.get(name), getattr(settings, name)
        if isinstance(own, int):
            setattr(made, name, own if asked is None else min(own, asked))
    made.limit_rate = layer.get("limit_rate")
    return made


def lowered(settings: Settings, own: Settings) -> Settings:
    """The settings of one file, held to what this worker may take."""
    return replace(settings, per_host=own.per_host, limit_rate=own.limit_rate)


def smaller_rate(share: int | str | None, own: int | str | None) -> int | str | None:
    """Of a part of the run's rate and the worker's own: bytes a second, "auto", or None for no limit."""
    if isinstance(share, int) and isinstance(own, int):
        return min(share, own)
    return own if share is None else share
