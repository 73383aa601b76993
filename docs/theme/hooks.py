"""What the site needs beyond MkDocs: links that work on GitHub work on the site too.

The pages are written to be read in the repository. So the anchors of the site follow GitHub's rule, some files of the
repository's top become pages, and a link to any other file leads to that file in the repository.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Files outside docs/ that are pages of the site, under these names.
BROUGHT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "reporting.md"}
# Code first, so that a link in code stays as it is: fenced, then in a line.
_CODE = r"(?P<code>^(?P<fence> *(?:```+|~~~+))[^\n]*\n.*?^(?P=fence)[ \t]*$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
_LINK = r"(?P<before>\]\()(?P<target>[^()\s]+)(?P<after>[^()\n]*\))"
_TOKEN = re.compile(f"{_CODE}|{_LINK}", re.DOTALL | re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)


def slug(text: str, separator: str = "-") -> str:
    """The anchor that GitHub gives a heading: letters, digits, `_` and `-` stay, each blank becomes a `-`."""
    kept = re.sub(r"[^\w\- ]", "", text.strip().lower())
    return kept.replace(" ", separator)


def relinked(markdown: str, folder: str, repository: str) -> str:
    """A page's text with its links as the site needs them. `folder` is where it lies in the repository ("" is the top),
    `repository` the address of the repository's own pages."""

    def change(match: re.Match[str]) -> str:
        if match["code"] is not None or _ELSEWHERE.match(match["target"]):
            return match[0]
        return match["before"] + _for_the_site(match["target"], folder, repository) + match["after"]

    return _TOKEN.sub(change, markdown)


def _for_the_site(target: str, folder: str, repository: str) -> str:
    path, mark, anchor = target.partition("#")
    full = posixpath.normpath(posixpath.join(folder, path))
    if full in BROUGHT:
        return BROUGHT[full] + mark + anchor
    if full.startswith("docs/"):
        return full.removeprefix("docs/") + mark + anchor
    kind = "tree" if (ROOT / full).is_dir() else "blob"
    return f"{repository.rstrip('/')}/{kind}/main/{full}{mark}{anchor}"


# --- what MkDocs calls ---------------------------------------------------------------------------------------


def on_config(config: Any) -> Any:
    """Anchors after GitHub's rule."""
    rule: Callable[[str, str], str] = slug
    config.mdx_configs.setdefault("toc", {})["slugify"] = rule
    return config


def on_files(files: Any, config: Any) -> Any:
    """The files of the repository's top that are pages."""
    from mkdocs.structure.files import File

    for source, page in BROUGHT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The links of one page. Every page lies at the top of the site, so a name is a link."""
    folder = Path(page.file.abs_src_path).resolve().relative_to(ROOT).parent.as_posix()
    return relinked(markdown, "" if folder == "." else folder, config.repo_url)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """In code within a table GitHub shows `\\|` as `|`; so does the site. Code gets a class by its length: what is
    short stays in one line, and a name of up to thirty letters does where there is room for it."""

    def classed(code: re.Match[str]) -> str:
        return '<code class="short name">' if len(code[1]) <= 16 else '<code class="name">'

    html = re.sub(r"<t[dh]\b.*?</t[dh]>", lambda cell: cell[0].replace("\\|", "|"), html, flags=re.DOTALL)
    return re.sub(r"<code>(?=([^<\n]{1,30})</code>(?!</pre>))", classed, html)
