"""The documents: short where they begin, no link into nothing, and in step with the settings."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from backend.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
ROOT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
DOCUMENTS = [*(ROOT / name for name in ROOT_PAGES), *PAGES]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ADVANCED = "\n## Advanced\n"


def prose(text: str) -> str:
    """A document without its blocks of code, in which `#` begins no heading."""
    return FENCED.sub("", text)


def links(text: str) -> list[str]:
    """Targets of links and pictures, but for those into the web."""
    found = LINK.findall(CODE.sub("", prose(text)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """What `#` can name, as GitHub and mkdocs make it from headings in plain words."""
    words = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in HEADING.findall(prose(text)))
    return {re.sub(r"\s+", "-", heading.strip()) for heading in words}


def broken(document: Path) -> list[str]:
    """The links of a document that lead to no file, or to no heading of one."""
    found = links(document.read_text("utf-8"))
    return [target for target in found if not leads_somewhere(document, target)]


def leads_somewhere(document: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = document.parent / path if path else document
    return file.exists() and (not anchor or anchor in anchors(file.read_text("utf-8")))


def pages_in(nav: list[dict[str, str]]) -> list[str]:
    return [page for entry in nav for page in entry.values()]


def line_of(name: str, default: object, help: str) -> str:
    shown = f"`{default}`" if str(default) else ""
    return f"| `{name.upper()}` | {shown} | {help} |\n"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8192


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# The limits\n")
    text = (
        "# One head\n[a](#one-head) [b](#none) [c](none.md) [d](page.md#the-limits)\n"
        "[e](page.md#none) `[f](none)` [g](https://example.org/none)\n"
        "```bash\n# No heading\n[h](none)\n```\n"
    )
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert broken(readme) == ["#none", "none.md", "page.md#none"]
    assert anchors(text) == {"one-head"}


def test_every_page_is_in_the_navigation_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert sorted(pages_in(config["nav"])) == [page.name for page in PAGES]
    assert config["strict"] is True


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links((ROOT / "README.md").read_text("utf-8"))}
    assert linked >= {f"docs/{page.name}" for page in PAGES if page.name != "index.md"}


def test_every_setting_stands_in_its_table_with_its_default_and_meaning() -> None:
    first, advanced = (ROOT / "docs" / "settings.md").read_text("utf-8").split(ADVANCED)
    for each in fields(Settings):
        line = line_of(each.name, each.default, each.metadata["help"])
        place, other = (advanced, first) if each.metadata["advanced"] else (first, advanced)
        assert line in place
        assert line not in other


def test_the_tables_hold_no_other_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(each.name.upper() for each in fields(Settings))
