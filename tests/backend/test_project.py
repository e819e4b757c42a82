"""A project of the same number is not always the same project, and two changes at once lose one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import ProjectReplaced
from backend.loop.loop import Told
from backend.pool import Pool
from backend.studio.annotations import Json
from backend.studio.project import Overwritten, is_of, lost_settings, set_aside

OLD: Json = {"id": 7, "title": "News", "label_config": "<old/>", "created_at": "2026-01-01"}
SAVED: Json = {**OLD, "label_config": "<new/>"}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    folder = tmp_path / "7"
    folder.mkdir()
    made = Pool(folder / "pool.sqlite")
    yield made
    made.close()


def test_a_mirror_belongs_to_the_project_that_it_was_made_for(pool: Pool) -> None:
    assert is_of(pool, OLD)
    assert is_of(pool, SAVED)
    assert not is_of(pool, {**OLD, "created_at": "2026-02-02"})


def test_what_was_learnt_about_another_project_is_kept_apart(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(ProjectReplaced, match="another project 7"):
        raise set_aside(tmp_path / "7")
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("7.replaced-")
    assert (aside / "pool.sqlite").is_file()


@pytest.mark.parametrize(
    ("at", "now", "lost"),
    [
        (100.2, OLD, {"label_config": "<new/>"}),
        (98.0, OLD, {"label_config": "<new/>"}),
        (89.0, OLD, {}),
        (102.0, OLD, {}),
        (100.2, SAVED, {}),
    ],
    ids=["at once", "committed late", "long before", "long after", "kept"],
)
def test_a_setting_that_our_switch_turned_back_is_found(at: float, now: Json, lost: Json) -> None:
    """Somebody who turns a setting back by hand, earlier or later, means it."""
    overwritten = Overwritten()
    told = Told({**SAVED, "model_version": "0.3"}, at)
    assert overwritten.found(told, now) == {}, "nothing was switched"
    overwritten.switched({**OLD, "model_version": "0.4"}, 100.0, 100.5)
    assert overwritten.found(told, now) == lost


def test_what_others_changed_meanwhile_is_left_alone() -> None:
    """The title was changed once more by somebody else: it is not what it was before."""
    told = {"title": "Mine", "label_config": "<new/>", "is_published": True}
    now = {**OLD, "title": "Theirs", "is_published": False}
    assert lost_settings(told, OLD, now) == {"label_config": "<new/>"}
