"""The style of the code: lint, format, types, the order of the rooms, and spelling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cookbook.project import Project

TOOLS = (
    ("ruff", "check", "--quiet", "--output-format", "concise"),
    ("ruff", "format", "--check", "--quiet"),
    ("mypy", "--no-error-summary"),
    ("lint-imports", "--no-logo"),
    ("typos", "--format", "brief"),
)


def problems(project: Project) -> list[str]:
    """What each tool that fails prints."""
    found = []
    for name, *flags in TOOLS:
        program = Path(sys.executable).with_name(name)
        done = subprocess.run([program, *flags], cwd=project.root, capture_output=True, text=True, check=False)
        if done.returncode:  # some of them also print on success
            found.append(f"{done.stdout}{done.stderr}".strip() or f"{name}: exit status {done.returncode}")
    return found
