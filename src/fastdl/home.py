"""Where fastdl itself comes from. These addresses stand here and nowhere else."""

from __future__ import annotations

REPOSITORY = "https://github.com/fastdl/fastdl"
ISSUES = REPOSITORY + "/issues"

RELEASES = "https://api.github.com/repos/fastdl/fastdl/releases/latest"
"""The newest release as JSON: its `tag_name`, and `assets` with `name` and `browser_download_url`."""

RELEASES_VARIABLE = "FASTDL_RELEASES"
"""The environment variable that names another address for that, a company's mirror for example."""

WORKFLOW = REPOSITORY + "/.github/workflows/release.yml"
"""What builds releases; their attestations name it."""

AUTHORITY_VARIABLE = "FASTDL_RELEASES_AUTHORITY"
"""The environment variable that names who vouches for the builds at such an address: a PEM file, or `none`."""
