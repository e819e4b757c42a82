"""What may import what: `model` never knows `backend`, and the server starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from backend.settings import STRATEGY_NAMES
from model.choosing.strategies import STRATEGIES

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "model").rglob("*.py"))
STUDIO_SIDE = {"backend", "flask", "gunicorn", "requests", "label_studio_ml", "urllib", "http"}
HEAVY = {"torch", "transformers", "sklearn", "scipy"}


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


def test_the_server_starts_without_the_learning_libraries() -> None:
    """They take seconds to load; connecting a project must not wait for them."""
    loaded = loaded_by("backend.web.app")
    assert "flask" in loaded
    assert loaded & HEAVY == set()


def test_the_server_learns_and_ranks_without_transformers() -> None:
    """The trainer encodes; the server only what nobody has encoded before, when it is asked."""
    loaded = loaded_by("backend.project.turn, backend.project.predictor")
    assert "sklearn" in loaded
    assert "transformers" not in loaded


def loaded_by(modules: str) -> set[str]:
    """The packages that are loaded by importing them."""
    code = f"import sys, {modules}; print(*sorted(name.split('.')[0] for name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_settings_know_every_strategy() -> None:
    assert ("auto", *STRATEGIES) == STRATEGY_NAMES
