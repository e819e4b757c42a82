"""A project of the same number is not always the same project, and two changes at once lose one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import ProjectReplaced
from backend.mirror.identity import is_of, set_aside
from backend.mirror.pool import Pool
from backend.queue.inbox import ProjectState as State
from backend.queue.overwritten import Overwritten, Write, missing_changes
from backend.types import Json

OLD: Json = {
    "id": 7,
    "title": "News",
    "label_config": "<old/>",
    "created_at": "2026-01-01",
    "model_version": "0.3",
}
SAVED: Json = {**OLD, "label_config": "<new/>"}
PINNED: Json = {**OLD, "pinned_at": "2026-03-03"}
SWITCH: Json = {"model_version": "0.4"}
WRITE = Write(SWITCH, {**OLD, **SWITCH}, began=100.0, ended=100.5, seen=State(OLD, 95.0))


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
    with pytest.raises(
        ProjectReplaced, match="Project 7 in Label Studio is not the same as before"
    ):
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
        (111.0, OLD, {}),
        (100.2, SAVED, {}),
    ],
    ids=["at once", "committed late", "long before", "long after", "kept"],
)
def test_a_setting_that_our_switch_turned_back_is_found(at: float, now: Json, lost: Json) -> None:
    """Somebody who turns a setting back by hand, earlier or later, means it."""
    reports = [State(SAVED, at)]
    assert Overwritten().to_restore(reports, State(now, 101.0)) == {}, "nothing was written"
    overwritten = switched()
    assert overwritten.to_restore(reports, State(now, 101.0)) == lost
    assert overwritten.to_restore(reports, State(OLD, 102.0)) == {}, "a change is looked at once"


def test_what_was_saved_after_our_switch_is_not_lost_to_it() -> None:
    assert switched().to_restore([State({**SAVED, **SWITCH}, 100.4)], State(OLD, 101.0)) == {}


def test_what_somebody_turned_back_just_before_our_switch_stays_so() -> None:
    reports = [State(SAVED, 99.0), State(OLD, 99.5)]
    assert switched().to_restore(reports, State(OLD, 101.0)) == {}


def test_what_somebody_saved_over_another_just_before_our_switch_is_not_undone() -> None:
    """Only the webhook of the second save came after the switch, whose row has it already."""
    third = {**OLD, "label_config": "<third/>", **SWITCH}
    overwritten = Overwritten()
    overwritten.to_restore([], State(OLD, 95.0))
    overwritten.record_write(SWITCH, third, 100.0, 100.5)
    reports = [State(SAVED, 99.5), State(third, 100.3), State(third, 100.4)]
    assert overwritten.to_restore(reports, State(third, 101.0)) == {}
    assert not overwritten.missed(reports)
    lost = {**third, "label_config": "<fourth/>", "model_version": "0.3"}
    reports += [State(lost, 100.45)]
    assert overwritten.to_restore(reports, State(third, 102.0)) == {"label_config": "<fourth/>"}


@pytest.mark.parametrize(
    ("before", "around", "missing"),
    [
        ([], [], 0),
        ([], [{**OLD, **SWITCH}], 0),
        ([], [{**OLD, **SWITCH}] * 2, 1),
        ([], [{**OLD, **SWITCH}] * 3, 2),
        ([], [{**OLD, **SWITCH}, {**SAVED, **SWITCH}], 0),
        ([], [{**SAVED, **SWITCH}] * 2, 0),
        ([], [{**SAVED, **SWITCH}] * 3, 1),
        ([SAVED], [{**SAVED, **SWITCH}], 0),
        ([SAVED], [{**SAVED, **SWITCH}] * 2, 1),
        ([], [SAVED, {**SAVED, **SWITCH}], 0),
        ([], [SAVED, {**SAVED, **SWITCH}, {**SAVED, **SWITCH}], 1),
        ([], [SAVED, {**OLD, **SWITCH}], 0),
        ([], [OLD, {**OLD, **SWITCH}], 0),
        ([], [{**OLD, **SWITCH}, {**OLD, **SWITCH, "sampling": "Sequential sampling"}], 0),
        ([], [{**OLD, **SWITCH}, {**PINNED, **SWITCH}, {**SAVED, **SWITCH}], 0),
    ],
    ids=[
        "no webhook",
        "ours alone",
        "one too many",
        "two too many",
        "saved after ours",
        "saved before ours, both seen after it",
        "one kept, one lost",
        "saved and reported before ours",
        "saved and reported before ours, then one lost",
        "kept, seen before ours",
        "kept, seen before ours, then one lost",
        "lost, but seen: found",
        "a stale page wrote the old version back",
        "another sampling mode",
        "two kept",
    ],
)
def test_saves_that_left_no_trace_are_counted(
    before: list[Json], around: list[Json], missing: int
) -> None:
    """Each change sends a webhook with the row as it is then: a lost one's shows ours."""
    reports = [
        *(State(row, 99.9) for row in before),
        *(State(row, 100.3) for row in around),
    ]
    overwritten = switched()
    assert overwritten.missed(reports) == (missing > 0)
    assert not overwritten.missed(reports), "once is enough"
    assert missing_changes(WRITE, reports) == missing


def test_a_second_save_that_left_no_trace_is_reported_too() -> None:
    ours = State({**OLD, **SWITCH}, 100.3)
    overwritten = switched()
    assert overwritten.missed([ours] * 2)
    assert overwritten.missed([ours] * 3)
    overwritten.record_write(SWITCH, WRITE.row, 101.0, 101.5)
    assert not overwritten.missed([ours] * 4), "they belong to the write before"


def test_only_webhooks_of_the_switch_itself_tell_that_a_save_left_no_trace() -> None:
    row = {**OLD, **SWITCH}
    for at in (99.9, 110.6):
        assert not switched().missed([State(row, 100.3), State(row, at)])
    assert not Overwritten().missed([State(row, 100.3)] * 2), "nothing was written"


def switched() -> Overwritten:
    """After WRITE, with nothing reported yet."""
    made = Overwritten()
    made.to_restore([], WRITE.seen)
    made.record_write(WRITE.changes, WRITE.row, WRITE.began, WRITE.ended)
    return made


def test_what_others_changed_meanwhile_is_left_alone() -> None:
    """The title was changed once more by somebody else: it is not what it was before."""
    reports = {**SAVED, "title": "Mine", "is_published": True}
    now = {**OLD, "title": "Theirs", "is_published": False}
    assert switched().to_restore([State(reports, 100.2)], State(now, 101.0)) == {
        "label_config": "<new/>"
    }
