"""What may import what: the rooms of `backend/`, `model` and `backend`, the server and torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend.settings import STRATEGY_NAMES
from model.choosing.strategies import STRATEGIES

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "model").rglob("*.py"))
STUDIO_SIDE = {"backend", "flask", "waitress", "requests", "label_studio_ml", "urllib", "http"}
HEAVY = {"torch", "transformers", "sklearn", "scipy"}


ROOMS = {
    # leaves
    "types": set(),
    "progress": set(),
    "errors": set(),
    "logs": set(),
    "words": set(),
    "sending": {"errors", "types"},
    "settings": {"errors", "types", "sending"},
    # what is asked, and Label Studio's own pages
    "interface": {"errors", "types", "words"},
    "studio": {"errors", "types", "words", "sending"},
    # what is known of a project, and what it shows
    "mirror": {"errors", "types", "words", "interface"},
    "media": {"errors", "types", "settings", "interface", "studio", "mirror"},
    "folder": {"errors", "types", "mirror"},
    "dataset": {"errors", "types", "interface", "studio", "mirror", "folder"},
    # our state in Label Studio, and the process that encodes and fine-tunes
    "queue": {"errors", "types", "studio", "mirror"},
    "trainer": {"errors", "types", "logs", "interface", "mirror", "media", "dataset"},
    # the loop, and its pages
    "project": {
        *("errors", "types", "words", "settings", "interface", "studio"),
        *("mirror", "media", "folder", "dataset", "queue", "trainer"),
    },
    "explore": {
        *("errors", "types", "settings", "interface", "studio"),
        *("mirror", "media", "queue", "project"),
    },
    "finish": {
        *("errors", "types", "words", "settings", "progress", "interface", "studio"),
        *("mirror", "folder", "dataset", "queue", "project"),
    },
    "web": {
        *("errors", "types", "words", "settings", "logs"),
        *("interface", "mirror", "folder", "dataset", "queue", "project", "explore"),
    },
    # what people call
    "doctor": {
        *("errors", "types", "settings", "interface", "studio", "dataset", "queue", "project"),
    },
    "commands": {
        *("errors", "types", "sending", "settings", "progress", "interface", "studio", "mirror"),
        *("folder", "dataset", "queue", "trainer", "project", "finish", "doctor"),
    },
    "dev": {
        *("errors", "types", "settings", "progress", "interface", "studio"),
        *("project", "commands"),
    },
    "__main__": {"errors"},
}
"""Each room of backend/, lowest first -> the rooms that it may import from. Arrows point upwards in
this table and nowhere else, so there are no circles."""


def imported_packages(source: str) -> set[str]:
    """Top names of all imports, also those inside functions; `from ..x` counts as x."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_model_has_never_heard_of_label_studio(path: Path) -> None:
    assert not imported_packages(path.read_text()) & STUDIO_SIDE


def test_the_walk_sees_every_form_of_import() -> None:
    source = """
import a.x
def late():
    from b.y import z
    from .. import c
"""
    assert imported_packages(source) == {"a", "b", "c"}
    assert {path.name for path in MODULES} >= {"learner.py", "store.py", "text.py"}


def imported_rooms(path: Path) -> set[str]:
    """The rooms of backend/ that a file imports from, also inside its functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("backend."):
            names.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "backend":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            dotted = [alias.name.split(".") for alias in node.names]
            names |= {parts[1] for parts in dotted if parts[0] == "backend" and len(parts) > 1}
    return names


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "backend").parts[0].removesuffix(".py")


def test_each_room_imports_only_what_the_table_allows() -> None:
    files = [path for path in (ROOT / "backend").rglob("*.py") if path.parent != ROOT / "backend"]
    files += [path for path in (ROOT / "backend").glob("*.py") if path.name != "__init__.py"]
    found: dict[str, set[str]] = {}
    for path in files:
        room = room_of(path)
        found.setdefault(room, set()).update(imported_rooms(path) - {room})
    assert found == ROOMS, (
        "a new arrow is a decision: write it into the table, if it points upwards"
    )


def test_the_arrows_between_rooms_point_one_way() -> None:
    order = list(ROOMS)
    assert not [
        (room, other)
        for room, others in ROOMS.items()
        for other in others
        if order.index(other) >= order.index(room)
    ]


def test_the_server_starts_without_the_learning_libraries() -> None:
    """They take seconds to load; connecting a project must not wait for them."""
    loaded = loaded_by("backend.web.app")
    assert "flask" in loaded
    assert loaded & HEAVY == set()


def test_what_learns_and_ranks_or_lists_versions_loads_no_torch() -> None:
    """It takes seconds to load. The trainer encodes; the server only what nobody has encoded
    before, when it is asked."""
    modules = "backend.project.turn, backend.project.predictor, backend.commands.versions"
    loaded = loaded_by(modules)
    assert "scipy" in loaded
    assert loaded & HEAVY == {"scipy"}


def test_what_takes_a_second_to_load_is_loaded_only_where_it_is_used() -> None:
    """The server and the trainer both loaded it at each start, for a few lines of arithmetic."""
    at_the_top = re.compile(r"^(from|import) (sklearn|scipy\.stats)\b", re.MULTILINE)
    files = [*MODULES, *(ROOT / "backend").rglob("*.py")]
    assert [str(path) for path in files if at_the_top.search(path.read_text())] == []


def test_our_own_server_does_without_label_studio_ml() -> None:
    """It loaded the class for its first request: with 1.0.9 that took two seconds and 190 MB."""
    loads = re.compile(r"^\s*(from|import) (label_studio_ml|backend\.web\.plugin)\b", re.MULTILINE)
    files = (ROOT / "backend").rglob("*.py")
    found = {path.name for path in files if loads.search(path.read_text())}
    assert found == {"plugin.py", "hosted.py"}


def loaded_by(modules: str) -> set[str]:
    """The packages that are loaded by importing them."""
    code = f"import sys, {modules}; print(*sorted(name.split('.')[0] for name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_settings_know_every_strategy() -> None:
    assert ("auto", *STRATEGIES) == STRATEGY_NAMES
