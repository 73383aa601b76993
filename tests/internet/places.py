"""What is published where: a file of each ecosystem, at its origin, with its digest where the publisher names it.

Each function sets up the origin and the place of the digest in a world and gives the facts that a test needs. Mirrors
are the test's own matter: `Published.mirrors` says at which hosts and paths they would be asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass, field

from internet.behaviour import Served, redirecting, text
from internet.world import Host, Throttle, World
from servers.content import content
from servers.files import Answer

SIZE = 6 << 20
RATE = 4 << 20  # bytes a second of an origin that is worth being helped


@dataclass(slots=True)
class Published:
    """A file in a world. `mirrors` are (host, path) as the rules have them; `lookup` is the host and path of the
    digest ("" where the URL carries it), `sources` what `digest.source` may say."""

    url: str
    name: str
    data: bytes
    origin: Served
    hosts: frozenset[str]  # of the origin: what is asked for the bytes
    mirrors: tuple[tuple[str, str], ...]
    lookup: tuple[str, str]
    sources: frozenset[str] = frozenset({"origin"})
    others: frozenset[str] = field(default_factory=frozenset)  # hosts that may be asked for a digest

    @property
    def allowed(self) -> frozenset[str]:
        """Hosts that may be contacted without any mirror."""
        return self.hosts | self.others

    def mirror(self, world: World, answer: Answer, which: int = 0) -> Host:
        """Set one of the mirrors up."""
        host, path = self.mirrors[which]
        return world.put(host, path, answer)


Publish = Callable[..., Published]

# PyPI has more mirrors than one download tries, in an order that chance decides: here it has three.
_OFF = ("bfsu", "huawei", "hust", "lzu", "nju", "pku", "sjtu", "tencent")
FEWER = "".join(f"[rules.pypi.mirrors.{name}]\nenabled = false\n" for name in _OFF)


def bytes_of(size: int = SIZE, seed: int = 7) -> bytes:
    """A file."""
    return content(seed, 0, size)


def sha256(data: bytes) -> str:
    """Its digest in hex."""
    return hashlib.sha256(data).hexdigest()


def _origin(data: bytes, throttle: Throttle | None) -> Served:
    return Served(size=len(data), data=data, etag='"origin"', throttle=throttle or Throttle(RATE))


def pypi(
    world: World, data: bytes | None = None, *, throttle: Throttle | None = None, told: bytes | None = None
) -> Published:
    """A wheel of PyPI: BLAKE2b-256 in its path, SHA-256 in the index. `told`: the bytes whose digest is published."""
    data = bytes_of() if data is None else data
    digest = hashlib.blake2b(data if told is None else told, digest_size=32).hexdigest()
    world.config.write_text(FEWER, encoding="utf-8")
    name = "demo-1.0-py3-none-any.whl"
    path = f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"
    origin = _origin(data, throttle)
    world.put("files.pythonhosted.org", path, origin.answer)
    listed = {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "files": [
            {
                "filename": name,
                "size": len(data),
                "hashes": {"sha256": sha256(data if told is None else told)},
                "url": f"https://files.pythonhosted.org{path}",
            }
        ],
    }
    world.put("pypi.org", "/simple/demo/", text(json.dumps(listed), 200, "application/vnd.pypi.simple.v1+json"))
    return Published(
        f"https://files.pythonhosted.org{path}",
        name,
        data,
        origin,
        frozenset({"files.pythonhosted.org"}),
        (
            ("pypi.tuna.tsinghua.edu.cn", path),
            ("mirrors.aliyun.com", "/pypi" + path),
            ("mirrors.ustc.edu.cn", "/pypi" + path),
        ),
        ("pypi.org", "/simple/demo/"),
        frozenset({"url", "origin"}),
        frozenset({"pypi.org"}),
    )


def github(
    world: World, data: bytes | None = None, *, throttle: Throttle | None = None, told: bytes | None = None
) -> Published:
    """A release asset: github.com redirects to a signed URL, api.github.com has `digest`."""
    data = bytes_of() if data is None else data
    name, tag = "PortableGit-2.51.0-64-bit.7z.exe", "v2.51.0.windows.1"
    path = f"/git-for-windows/git/releases/download/{tag}/{name}"
    origin = _origin(data, throttle)
    signed = "https://release-assets.githubusercontent.com/github-production/1234?sp=r&sig=s1gn4ture&se=2030"
    world.put("release-assets.githubusercontent.com", "/github-production/1234", origin.answer)
    world.put("github.com", path, redirecting(signed))
    release = {
        "name": "Git for Windows 2.51.0",
        "tag_name": tag,
        "assets": [
            {"name": "other.exe", "size": 5, "digest": "sha256:" + "0" * 64},
            {"name": name, "size": len(data), "digest": "sha256:" + sha256(data if told is None else told)},
        ],
    }
    api = f"/repos/git-for-windows/git/releases/tags/{tag}"
    world.put("api.github.com", api, text(json.dumps(release)))
    return Published(
        f"https://github.com{path}",
        name,
        data,
        origin,
        frozenset({"github.com", "release-assets.githubusercontent.com"}),
        (
            ("registry.npmmirror.com", f"/-/binary/git-for-windows/{tag}/{name}"),
            ("cdn.npmmirror.com", f"/binaries/git-for-windows/{tag}/{name}"),
        ),
        ("api.github.com", api),
        others=frozenset({"api.github.com"}),
    )


def npm(
    world: World, data: bytes | None = None, *, throttle: Throttle | None = None, told: bytes | None = None
) -> Published:
    """A tarball of the npm registry: SHA-512 in the version's document."""
    data = bytes_of() if data is None else data
    path, name = "/demo/-/demo-1.0.0.tgz", "demo-1.0.0.tgz"
    origin = _origin(data, throttle)
    world.put("registry.npmjs.org", path, origin.answer)
    digest = base64.b64encode(hashlib.sha512(data if told is None else told).digest()).decode()
    version = {"name": "demo", "version": "1.0.0", "dist": {"integrity": f"sha512-{digest}"}}
    world.put("registry.npmjs.org", "/demo/1.0.0", text(json.dumps(version)))
    return Published(
        f"https://registry.npmjs.org{path}",
        name,
        data,
        origin,
        frozenset({"registry.npmjs.org"}),
        (
            ("registry.npmmirror.com", path),
            ("cdn.npmmirror.com", "/packages/demo/1.0.0/demo-1.0.0.tgz"),
            ("mirrors.huaweicloud.com", "/repository/npm" + path),
        ),
        ("registry.npmjs.org", "/demo/1.0.0"),
    )


def debian(
    world: World, data: bytes | None = None, *, throttle: Throttle | None = None, told: bytes | None = None
) -> Published:
    """A package of the Debian archive: SHA-256 in the index of its suite."""
    data = bytes_of() if data is None else data
    name = "demo_1.0-1_amd64.deb"
    pool = f"pool/main/d/demo/{name}"
    path = f"/debian/{pool}"
    origin = _origin(data, throttle)
    world.put("deb.debian.org", path, origin.answer)
    filler = "".join(f"Package: p{n}\nFilename: pool/main/p/p{n}.deb\nSize: 1\nSHA256: {n:064x}\n\n" for n in range(50))
    record = f"Package: demo\nFilename: {pool}\nSize: {len(data)}\nSHA256: {sha256(data if told is None else told)}\n\n"
    index = "/debian/dists/stable/main/binary-amd64/Packages.xz"
    packed = lzma.compress((filler + record + filler).encode())
    world.put("deb.debian.org", index, text(packed, 200, "application/x-xz"))
    return Published(
        f"https://deb.debian.org{path}",
        name,
        data,
        origin,
        frozenset({"deb.debian.org"}),
        (("mirrors.tuna.tsinghua.edu.cn", path), ("mirrors.ustc.edu.cn", path), ("mirrors.aliyun.com", path)),
        ("deb.debian.org", index),
    )


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def huggingface(
    world: World, data: bytes | None = None, *, throttle: Throttle | None = None, told: bytes | None = None
) -> Published:
    """A large file of a model at a commit: the redirect itself names its SHA-256. Its mirror is a third party, which
    the user has switched on."""
    data = bytes_of() if data is None else data
    path, name = f"/acme/model/resolve/{COMMIT}/model.safetensors", "model.safetensors"
    origin = _origin(data, throttle)
    world.put("cas-bridge.xethub.hf.co", "/xet/abc", origin.answer)
    digest = sha256(data if told is None else told)
    fields = (("X-Linked-ETag", f'"{digest}"'), ("X-Linked-Size", str(len(data))), ("X-Repo-Commit", COMMIT))
    signed = "https://cas-bridge.xethub.hf.co/xet/abc?X-Amz-Signature=s1gn4ture"
    world.put("huggingface.co", path, redirecting(signed, 302, *fields))
    world.config.write_text("[rules.huggingface.mirrors.hf-mirror]\nenabled = true\n", encoding="utf-8")
    return Published(
        f"https://huggingface.co{path}",
        name,
        data,
        origin,
        frozenset({"huggingface.co", "cas-bridge.xethub.hf.co"}),
        (("hf-mirror.com", path),),
        ("huggingface.co", path),
    )


ALL: dict[str, Publish] = {
    "pypi": pypi,
    "github": github,
    "npm": npm,
    "debian": debian,
    "huggingface": huggingface,
}
