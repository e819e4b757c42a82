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
    told = [Told(SAVED, at, is_before=True)]
    assert Overwritten().found(told, now) == {}, "nothing was switched"
    overwritten = switched()
    assert overwritten.found(told, now) == lost
    assert overwritten.found(told, OLD) == {}, "a change is looked at once"


def test_what_was_saved_after_our_switch_is_not_lost_to_it() -> None:
    assert switched().found([Told(SAVED, 100.4, is_before=False)], OLD) == {}


@pytest.mark.parametrize(
    ("echoes", "is_told"),
    [
        ([OLD], False),
        ([OLD, OLD], True),
        ([OLD, SAVED], False),
        ([SAVED, SAVED], False),
    ],
    ids=["ours alone", "one too many", "saved after ours", "saved before ours"],
)
def test_a_save_that_left_no_trace_is_told(echoes: list[Json], is_told: bool) -> None:
    """Each change sends a webhook with the row as it is then: the lost one's shows ours."""
    overwritten = switched()
    told = [Told(row, 100.3, is_before=False) for row in echoes]
    assert bool(overwritten.missed(told)) == is_told
    assert overwritten.missed(told) is None, "once is enough"


def test_only_webhooks_of_the_switch_itself_tell_that_a_save_left_no_trace() -> None:
    ours = Told(OLD, 100.3, is_before=False)
    for at in (99.9, 101.6):
        assert switched().missed([ours, Told(OLD, at, is_before=False)]) is None
    assert switched().missed([ours, Told(OLD, 100.3, is_before=True)]) is None
    settled = switched()
    settled.settled()
    assert settled.missed([ours, ours]) is None, "we wrote once more ourselves"


def switched() -> Overwritten:
    """After a switch that was made from 100.0 to 100.5, and wrote what was there before."""
    made = Overwritten()
    made.found([], {**OLD, "model_version": "0.3"})
    made.switched({**OLD, "model_version": "0.4"}, 100.0, 100.5)
    return made


def test_what_others_changed_meanwhile_is_left_alone() -> None:
    """The title was changed once more by somebody else: it is not what it was before."""
    told = {"title": "Mine", "label_config": "<new/>", "is_published": True}
    now = {**OLD, "title": "Theirs", "is_published": False}
    assert lost_settings(told, OLD, now) == {"label_config": "<new/>"}
