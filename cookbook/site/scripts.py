"""The scripts that every page of a built site runs made one: a request each would cost more than most of them hold."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cookbook.site.stylesheets import own_files

SCRIPT = re.compile(r'[ \t]*<script defer src="(?P<to_root>[^"]*?)(?P<name>assets/[^"]+)"></script>\n?')
REMARK = re.compile(r"^[ \t]*//.*\n?", re.MULTILINE)  # and the name of a source map, which would be wrong


def join(root: Path) -> Path | None:
    """Make one of the deferred scripts that every page of the site at *root* has, in their order; the file, if any.

    It stands in ``assets/`` under a name that holds a digest of its bytes, in the place of the first of them. A script
    of some pages alone stays as it is, and runs after it.
    """
    pages = {file: file.read_text(encoding="utf-8") for file in own_files(root, "*.html")}
    linked = [[match["name"] for match in SCRIPT.finditer(page)] for page in pages.values()]
    common = [name for name in (linked[0] if linked else []) if all(name in names for names in linked)]
    if not common:
        return None
    parts = [REMARK.sub("", (root / name).read_text(encoding="utf-8")).strip() for name in common]
    text = ";\n".join(parts) + "\n"
    joined = root / f"assets/site.{hashlib.sha256(text.encode()).hexdigest()[:8]}.js"
    joined.write_text(text, encoding="utf-8")

    def replaced(match: re.Match[str]) -> str:
        if match["name"] not in common:
            return match[0]
        name = joined.relative_to(root).as_posix()
        return f'<script defer src="{match["to_root"]}{name}"></script>\n' if match["name"] == common[0] else ""

    for file, page in pages.items():
        file.write_text(SCRIPT.sub(replaced, page), encoding="utf-8")
    for name in common:
        (root / name).unlink()
        (root / f"{name}.map").unlink(missing_ok=True)
    return joined
