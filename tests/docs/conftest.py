"""example.org, and an empty folder to type commands in."""

from __future__ import annotations

from pages.fixtures import sandbox as sandbox
from pages.fixtures import world as world
