"""What is learnt of each of Label Studio's own templates, as the table in docs/templates.md.

    LABEL_STUDIO_BIN=.venv-studio/bin/label-studio python -m tests.studio.templates

writes the table of the installed Label Studio into the page.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from backend.errors import UnsupportedConfig
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.types import Json

PAGE = Path(__file__).parents[2] / "docs" / "templates.md"
HEAD = "| Template | Learnt | Left to people |"
BELOW = "|---|---|---|"


def rows_of(label_studio: str) -> list[str]:
    """The table's rows for the templates of this Label Studio, in the order of its own list."""
    return [HEAD, BELOW, *_rows(Path(label_studio).resolve().parents[1])]


def rows_in_page() -> list[str]:
    """The table as it stands in the documentation."""
    return [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]


def configs_of(label_studio: str) -> dict[str, str]:
    """The labelling interfaces of its templates by their titles."""
    folder = _folder(Path(label_studio).resolve().parents[1])
    return {str(one["title"]): str(one["config"]) for one in _templates(folder)}


def _folder(environment: Path) -> Path:
    (folder,) = environment.glob("lib/python*/site-packages/label_studio/annotation_templates")
    return folder


def _templates(folder: Path) -> list[Json]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in folder.rglob("config.yml")]


def _rows(environment: Path) -> Iterator[str]:
    folder = _folder(environment)
    groups = (folder / "groups.txt").read_text("utf-8").splitlines()
    found = _templates(folder)
    for one in sorted(found, key=lambda one: (groups.index(one["group"]), one["title"])):
        yield f"| {one['group']}: {one['title']} | {' | '.join(_cells(one['config']))} |"


def _cells(xml: str) -> tuple[str, str]:
    """What is learnt, and what is left to people or why nothing is learnt, as Markdown."""
    try:
        config = parse(xml)
    except UnsupportedConfig as error:
        return "*nothing*", _code(error.reason)
    return _learnt(config), _code("; ".join(config.left_out)) if config.left_out else ""


def _learnt(config: LabelConfig) -> str:
    asked = (*config.questions, *config.about_spans)
    tags = [f"`<{question.control.tag}>`" for question in asked]
    shown = dict.fromkeys(tags)
    return ", ".join(f"{tag} ({tags.count(tag)})" if tags.count(tag) > 1 else tag for tag in shown)


def _code(text: str) -> str:
    """Tags as code, because Markdown takes them for HTML."""
    words = (f"`{word}`" if word.startswith("<") else word for word in text.split(" "))
    return " ".join(words)


def main() -> None:
    page = PAGE.read_text("utf-8").splitlines()
    table = [number for number, line in enumerate(page) if line.startswith("|")]
    first, last = (table[0], table[-1] + 1) if table else (len(page), len(page))
    rows = rows_of(os.environ["LABEL_STUDIO_BIN"])
    PAGE.write_text("\n".join([*page[:first], *rows, *page[last:]]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
