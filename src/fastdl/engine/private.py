"""Whether a request carries anything that only its origin may see."""

from __future__ import annotations

import time

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.shown import is_masked
from fastdl.core.urls import Url

if TYPE_CHECKING:
    from fastdl.core.credentials import Credentials
    from fastdl.settings import Settings


def is_private(credentials: Credentials, settings: Settings, given: Url) -> bool:
    """Whether a request for `given` carries a secret. A Referer and a client certificate are such things too."""
    secrets = credentials.has_secrets(given, time.time()) or settings.referer or settings.cert
    return bool(secrets) or any(is_masked(mirror) for mirror in settings.mirrors)
