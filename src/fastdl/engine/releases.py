"""The newest release of fastdl: what it is called, which of its files is for this machine, and that file, checked.

It is fetched by the engine itself, so proxies, private authorities and broken connections are met as everywhere. What
comes is going to run: everything is asked over TLS (plain HTTP only of this machine), without the user's headers and
logins, and an archive is refused without a digest in the release's list, and without an attestation that the
repository's workflow has built it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from base64 import b64decode

from fastdl import batch
from fastdl.core.attestation import attested, sigstore
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record
from fastdl.core.signer import read_signer
from fastdl.core.urls import join, parse_url
from fastdl.core.versions import parse_version
from fastdl.errors import IntegrityError, NoSpace, ProtocolViolation, Refused, TooLarge, UnsafeArchive, UsageError
from fastdl.home import AUTHORITY_VARIABLE, RELEASES, RELEASES_VARIABLE, WORKFLOW
from fastdl.io.disk import disk_error
from fastdl.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastdl.core.signer import Signer
    from fastdl.events import Event, Observer

SUMS = ("SHA256SUMS", "SHA256SUMS.txt")
ATTESTATION = "fastdl-{}.sigstore.json"  # by version: what attests the files of the release
MOST_TEXT = 4 * 1024 * 1024  # bytes of a description or a list
MOST_PACKAGE = 512 * 1024 * 1024  # bytes of an archive
# What a run may take from the user's settings: the way, and how patiently it is gone.
TAKEN = (
    *("timeout", "connect_timeout", "retries", "limit_rate", "connections", "per_host"),
    *("proxy", "use_proxy", "cacert", "cert", "key", "connect_to", "family", "interface", "http"),
)
SYSTEMS = {"win32": "windows", "darwin": "macos", "linux": "linux"}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]+)-----END CERTIFICATE-----")
_LATER = f"Try again later; {RELEASES_VARIABLE} names another address."
_ADVICE = (  # in place of what names the options of a download, and a file that is not kept
    (NoSpace, "Free some space and run the same command again."),
    (UnsafeArchive, "Nothing was replaced; tell the project if this goes on."),
)
MACHINES = {"amd64": "x64", "x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}


class Asset(Record):
    """A file of a release."""

    name: str
    url: str


class Release(Record):
    """A release. `page`: where people read about it; `early`: its server calls it a pre-release or a draft."""

    version: str
    page: str
    assets: tuple[Asset, ...]
    early: bool = False

    def is_for(self, version: str) -> bool:
        """Whether it comes after `version`. A pre-release is for those alone who run one; none is for what is no
        version."""
        own, other = parse_version(self.version), parse_version(version)
        if own is None or other is None or own <= other:
            return False
        return not other.final or (own.final and not self.early)

    def is_older_than(self, version: str) -> bool:
        """Whether it comes before `version`."""
        own, other = parse_version(self.version), parse_version(version)
        return own is not None and other is not None and own < other


def newest(settings: Settings, environ: Mapping[str, str]) -> Release:
    """The newest release, as its server says. Raises UsageError, NetworkErrors, Refused; ProtocolViolation for an
    answer that describes no release."""
    url = environ.get(RELEASES_VARIABLE) or RELEASES
    if not _is_safe(url):
        why = "what comes over plain HTTP can be altered"
        raise UsageError(f"{RELEASES_VARIABLE}: {url} cannot be used", why, "Use https.")
    return read_release(_text(settings, url), url)


def read_release(text: str, url: str) -> Release:
    """The release that an answer from `url` describes. Addresses in it may be relative. Raises ProtocolViolation."""
    try:
        told = json.loads(text)
        tag = told["tag_name"]
        assets = tuple(_asset(entry, url) for entry in told.get("assets") or [])
        page = str(told.get("html_url") or url)
        early = bool(told.get("prerelease") or told.get("draft"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _no_release(url, "it is not the JSON of one") from None
    if not isinstance(tag, str) or parse_version(tag) is None:
        raise _no_release(url, "its tag_name is no version")
    return Release(tag.strip().lstrip("vV"), page, assets, early)


def _no_release(url: str, why: str) -> ProtocolViolation:
    return ProtocolViolation(f"the answer of {parse_url(url).netloc} describes no release", why, _LATER)


def _asset(entry: Mapping[str, Any], url: str) -> Asset:
    name, place = entry["name"], entry["browser_download_url"]
    if not isinstance(name, str) or not isinstance(place, str) or os.path.basename(name) != name or "\\" in name:
        raise ValueError("no file of a release")
    return Asset(name, join(parse_url(url), place).text)


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can change what comes from there."""
    parsed = parse_url(url)
    return parsed.scheme == "https" or parsed.host in ("127.0.0.1", "::1", "localhost")


def _check_place(release: Release, asset: Asset) -> None:
    if not _is_safe(asset.url):
        raise _unproved(release, f"its {asset.name} comes over plain HTTP, and can be altered on the way")


def package_of(release: Release, platform: str, machine: str) -> Asset:
    """The archive for this machine. Raises Refused where the release has none."""
    system, kind = SYSTEMS.get(platform, platform), MACHINES.get(machine.lower(), machine.lower())
    ending = "zip" if system == "windows" else "tar.gz"
    name = f"fastdl-{release.version}-{system}-{kind}.{ending}"
    found = next((asset for asset in release.assets if asset.name.lower() == name.lower()), None)
    if found is None:
        why = f"it has no {name}"
        raise Refused(f"release {release.version} is not for this machine", why, f"See {release.page}.")
    return found


def download(settings: Settings, release: Release, package: Asset, folder: str, observer: Observer) -> str:
    """Fetches, checks and unpacks `package` into `folder`, which is made; the folder of the program in it. `observer`
    sees how far it is. Raises NetworkErrors, Refused, IntegrityErrors, DiskErrors, UsageError."""
    sums = next((asset for asset in release.assets if asset.name in SUMS), None)
    if sums is None:
        raise _unproved(release, f"it has no {SUMS[0]}")
    _check_place(release, sums)
    _check_place(release, package)
    digest = digest_in(_text(settings, sums.url), package.name)
    if digest is None:
        raise _unproved(release, f"{sums.name} does not name {package.name}")
    _check_built(settings, release, package, digest)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise disk_error(error, "create", folder) from error
    own = _own(settings, folder, MOST_PACKAGE)
    own.output, own.checksum, own.extract = package.name, f"sha256:{digest}", True
    _run(own, package.url, observer)
    return _program_in(folder, package.name)


def digest_in(text: str, name: str) -> str | None:
    """The sha256 that a list gives for a file, in hex; None where it gives none."""
    for line in text.splitlines():
        digest, _, file = line.strip().partition(" ")
        if file.strip().lstrip("*").removeprefix("./") == name and len(digest) == 64:
            return digest.lower() if all(char in "0123456789abcdefABCDEF" for char in digest) else None
    return None


def _check_built(settings: Settings, release: Release, package: Asset, digest: str) -> None:
    """Raises IntegrityError where nobody attests that fastdl's own workflow has built a file of this digest."""
    known = authorities(os.environ)
    if known is None:
        return
    name = ATTESTATION.format(release.version)
    asset = next((asset for asset in release.assets if asset.name == name), None)
    if asset is None:
        raise _unproved(release, f"it has no {name}")
    _check_place(release, asset)
    try:
        built = attested(_text(settings, asset.url), known, f"{WORKFLOW}@refs/tags/v{release.version}")
    except ValueError as error:
        raise _unproved(release, f"{name}: {error}") from error
    if built.digests.get(package.name) != digest:
        raise _unproved(release, f"{name} attests another {package.name}")


def authorities(environ: Mapping[str, str]) -> tuple[Signer, ...] | None:
    """Who vouches for builds; None: at the address that the user has named, nobody has to. Raises UsageError."""
    place = environ.get(AUTHORITY_VARIABLE, "") if environ.get(RELEASES_VARIABLE) else ""
    if not place:
        return sigstore()
    if place.lower() == "none":
        return None
    try:
        with open(place, encoding="ascii") as file:
            found = tuple(read_signer(b64decode(body)) for body in _CERTIFICATE.findall(file.read()))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{AUTHORITY_VARIABLE}: {place} cannot be used", why, "Name a PEM file of certificates."
        ) from None
    if not found:
        raise UsageError(f"{AUTHORITY_VARIABLE}: {place} holds no certificate", "", "Name a PEM file of certificates.")
    return found


def _unproved(release: Release, why: str) -> IntegrityError:
    what = f"release {release.version} cannot be checked"
    return IntegrityError(what, why, f"Nothing was replaced. See {release.page}.")


def _program_in(folder: str, archive: str) -> str:
    """The one folder that the archive held."""
    names = [name for name in os.listdir(folder) if name != archive]
    if len(names) != 1 or not os.path.isdir(os.path.join(folder, names[0])):
        raise IntegrityError(f"{archive} does not hold one folder", f"it holds {len(names)} names")
    return os.path.join(folder, names[0])


# --- fetching --------------------------------------------------------------------------------------------


def _text(settings: Settings, url: str) -> str:
    """A small text from the net."""
    with tempfile.TemporaryDirectory(prefix="fastdl-", ignore_cleanup_errors=True) as folder:
        own = _own(settings, folder, MOST_TEXT)
        own.output = "answer"
        try:
            _run(own, url)
        except TooLarge:
            what = f"the answer of {parse_url(url).netloc} is too long"
            raise ProtocolViolation(what, f"the limit is {MOST_TEXT} bytes", _LATER) from None
        with open(os.path.join(folder, "answer"), encoding="utf-8", errors="replace") as file:
            return file.read()


def _own(settings: Settings, folder: str, most: int) -> Settings:
    """Settings with nothing of the user's but the way: no login, no header, no command, no history."""
    own = Settings(**{name: getattr(settings, name) for name in TAKEN})
    own.dir, own.max_size, own.cdn, own.history, own.overwrite = folder, most, "off", False, True
    return own


def _run(settings: Settings, url: str, observer: Observer | None = None) -> None:
    """One download. Raises its error, and IntegrityError where it came from a place that is not safe."""
    (result,) = batch.run(settings, [url], observer or _unwatched)
    if result.error is not None:
        result.error.hint = next((hint for kind, hint in _ADVICE if isinstance(result.error, kind)), result.error.hint)
        raise result.error
    if not _is_safe(result.final_url or url):  # a redirect of a server on this machine: no other may lead there
        what = f"what {parse_url(url).netloc} gives cannot be checked"
        raise IntegrityError(what, "it led to plain HTTP, where it can be altered", "Nothing was replaced.")


def _unwatched(event: Event) -> None:
    """Nobody looks: it is small."""
