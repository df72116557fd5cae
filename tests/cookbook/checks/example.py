"""A page to find faults in."""

import re
from pathlib import Path

from cookbook.checks import prose
from cookbook.project import Project


def faults(tmp_path: Path, text: str, *, front: str = "title: T", language: str = "en") -> list[str]:
    """The problems of a page with one front matter and *text* from line 5 on, without the page's path."""
    project = Project(tmp_path)
    settings = project.recipes / "core" / "settings" / "base.py"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("CELERY_TASK_ACKS_LATE = True\n")
    (project.recipes / "core" / "tasks.py").write_text("def add(worker_name, *, result_key):\n    task_left = 1\n")
    (project.recipes / "core" / "broken.py").write_text("def task_broken(:\n")
    (project.root / "docker-compose.yml").touch()
    page = project.docs / language / "start" / "page.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    assert front.count("\n") == 0
    page.write_text(f"---\n{front}\n---\n\n{text}\n", encoding="utf-8")
    elsewhere = re.compile("unsupported number|unknown function")  # test_numbers.py and test_inline_names.py
    found = [problem for problem in prose.problems(project) if not elsewhere.search(problem)]
    assert all(problem.startswith(f"docs/{language}/start/page.md:") and "\n" not in problem for problem in found)
    return [problem.removeprefix(f"docs/{language}/start/page.md:") for problem in found]
