"""fastdl: a download manager that never hands over a wrong byte.

For programs: `download` fetches one file, `download_many` and `download_each` many, a `Download` can be steered while
it runs, and `aio` has the same for asyncio. Nothing is imported before it is used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from fastdl import aio as aio
    from fastdl import errors as errors
    from fastdl import events as events
    from fastdl.api.calls import download as download
    from fastdl.api.calls import download_each as download_each
    from fastdl.api.calls import download_many as download_many
    from fastdl.api.download import Download as Download
    from fastdl.api.jobs import Job as Job
    from fastdl.api.jobs import JobOptions as JobOptions
    from fastdl.api.jobs import Options as Options
    from fastdl.errors import FastdlError as FastdlError
    from fastdl.events import Ended as Ended
    from fastdl.events import Event as Event
    from fastdl.events import Lent as Lent
    from fastdl.events import Named as Named
    from fastdl.events import Note as Note
    from fastdl.events import Observer as Observer
    from fastdl.events import Progressed as Progressed
    from fastdl.events import Started as Started
    from fastdl.result import DigestReport as DigestReport
    from fastdl.result import Result as Result
    from fastdl.result import SourceReport as SourceReport

_PLACES = {
    "api.calls": ("download", "download_each", "download_many"),
    "api.download": ("Download",),
    "api.jobs": ("Job", "JobOptions", "Options"),
    "errors": ("FastdlError",),
    "events": ("Ended", "Event", "Lent", "Named", "Note", "Observer", "Progressed", "Started"),
    "result": ("DigestReport", "Result", "SourceReport"),
}
_MODULES = ("aio", "errors", "events")

__all__ = [
    "DigestReport",
    "Download",
    "Ended",
    "Event",
    "FastdlError",
    "Job",
    "JobOptions",
    "Lent",
    "Named",
    "Note",
    "Observer",
    "Options",
    "Progressed",
    "Result",
    "SourceReport",
    "Started",
    "__version__",
    "aio",
    "download",
    "download_each",
    "download_many",
    "errors",
    "events",
]


def __getattr__(name: str) -> object:
    """The names of the API, imported when they are first used."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"fastdl.{name}")
    for place, names in _PLACES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"fastdl.{place}"), name)
            return found
    raise AttributeError(f"module 'fastdl' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
