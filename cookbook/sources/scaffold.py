"""Creates the files of a new recipe; what the author still has to write is marked, and the checks report it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from cookbook.project import CONFIGS, LANGUAGES, SHARED, CookbookError, Project, write_whole

TODO = "✎"  # marks what the author still has to write
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
TEMPLATES = Path(__file__).with_name("new_recipe")
FILES = {
    "recipes/$name/apps.py": "apps.py.txt",
    "recipes/$name/settings.py": "settings.py.txt",
    "recipes/$name/tasks.py": "tasks.py.txt",
    "tests/recipes/test_$name.py": "proof.py.txt",
    **{f"docs/{language}/$section/$page.md": f"page.{language}.md" for language in LANGUAGES},
}


def create_recipe(project: Project, name: str, section: str) -> list[Path]:
    """Write the recipe *name* with its proof, its pages below *section* and their lines in the nav; the files written.

    Raises CookbookError, and writes nothing, for a name that is invalid or taken, and for an unknown section.
    """
    if not NAME.fullmatch(name) or name in SHARED:
        raise CookbookError(f"{name}: invalid recipe name: use a Python module's, such as visibility_timeout")
    config = "".join(map(str.capitalize, name.split("_"))) + "Config"
    page = name.replace("_", "-")
    words = {"name": name, "config": config, "section": section, "page": page}
    texts = {f"recipes/{name}/__init__.py": ""}
    for file, template in FILES.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        texts[Template(file).substitute(words)] = Template(text).substitute(words)
    if taken := next((file for file in texts if (project.root / file).exists()), None):
        raise CookbookError(f"{taken}: already exists: choose another name, or edit that recipe")
    texts |= {config: _with_page(project, config, section, f"{section}/{page}.md") for config in CONFIGS.values()}
    for file, text in texts.items():
        write_whole(project.root / file, text)
    return [project.root / file for file in texts]


def problems(project: Project) -> list[str]:
    """One line for each file that still has a `TODO` mark, at the first one."""
    found = []
    for file in _authored_files(project):
        lines = file.read_text(encoding="utf-8").splitlines()
        marked = [(number, line) for number, line in enumerate(lines, 1) if TODO in line]
        if marked:
            number, line = marked[0]
            more = f" (and {len(marked) - 1} more)" if marked[1:] else ""
            what = line[line.index(TODO) :].strip(" -*\"')]")
            found.append(f"{project.relative(file)}:{number}: still to write: {what}{more}")
    return found


def _authored_files(project: Project) -> Iterator[Path]:
    """Every module and page that people write, in all languages."""
    for folder in (project.recipes, project.proofs, *(project.docs / language for language in LANGUAGES)):
        for pattern in ("*.py", "*.md"):
            yield from sorted(folder.rglob(pattern))


def _with_page(project: Project, config: str, section: str, page: str) -> str:
    """The text of the configuration with a line for *page* after the last one of its section."""
    lines = (project.root / config).read_text(encoding="utf-8").splitlines(keepends=True)
    pattern = re.compile(rf"(?P<indent> +- ){re.escape(section)}/[\w-]+\.md\n?")
    own = [(number, match) for number, line in enumerate(lines) if (match := pattern.fullmatch(line))]
    if not own:
        sections = sorted({match[1] for line in lines if (match := re.fullmatch(r" +- ([\w-]+)/[\w-]+\.md\n?", line))})
        raise CookbookError(f"{config}: no section {section!r} in its nav: it has {', '.join(sections)}")
    number, match = own[-1]
    lines.insert(number + 1, f"{match['indent']}{page}\n")
    return "".join(lines)
