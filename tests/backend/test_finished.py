"""What tells annotations that the model made from people's."""

import copy
import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.interface.parse import EXAMPLE, parse
from backend.mirror.finished import finished_by, marked
from backend.mirror.pool import Pool
from backend.mirror.votes import Votes
from backend.types import Json

VALUES = st.dictionaries(st.text(min_size=1), st.lists(st.text() | st.integers()), max_size=3)
RESULTS = st.lists(
    st.fixed_dictionaries(
        {"from_name": st.text(), "to_name": st.text(), "value": VALUES, "score": st.floats(0, 1)}
    ),
    min_size=1,
    max_size=4,
)
MADE = "2026-01-01T10:00:00.113730Z"


@given(result=RESULTS, version=st.text(min_size=1), place=st.integers(0, 3))
def test_a_mark_holds_until_anything_that_is_answered_changes(
    result: list[Json], version: str, place: int
) -> None:
    """Also once it went through JSON, as in an export that is imported elsewhere."""
    made = json.loads(json.dumps(marked(result, version)))
    annotation = {"result": made, "created_at": MADE, "updated_at": MADE}
    assert finished_by(annotation) == version
    changed = copy.deepcopy(made)
    changed[place % len(changed)]["value"]["new"] = ["other"]
    assert finished_by({**annotation, "result": changed}) is None
    added = [*made, {"from_name": "c", "to_name": "t", "value": {"choices": ["a"]}}]
    assert finished_by({**annotation, "result": added}) is None
    again = {**annotation, "updated_at": "2026-01-01T10:00:03.113730Z"}
    assert finished_by(again) is None, "somebody looked at it, and saved it"


def test_renamed_labels_are_the_models_still_and_copies_are_a_persons() -> None:
    """The Data Manager renames labels without saving again, and copies results to other tasks."""
    region = {"value": {"choices": ["Sport"]}, "score": 0.9}
    made: Json = {"result": marked([region], "0.3", 5), "completed_by": 5}
    assert finished_by(made) == "0.3"
    renamed = copy.deepcopy(made)
    renamed["result"][0]["value"] = {"choices": ["Sports"]}
    assert finished_by(renamed) == "0.3"
    assert finished_by({**renamed, "completed_by": 1}) is None, "changed, and imported elsewhere"
    assert finished_by({**made, "completed_by": 1}) == "0.3", "imported elsewhere as it was"
    assert finished_by({**made, "completed_by": 1, "parent_annotation": 17}) is None


@pytest.mark.parametrize(
    "result",
    [None, [], ["x"], [{}], [{"meta": {"text": ["a note"]}}], [{"meta": {"finish": 1}}]],
    ids=str,
)
def test_what_people_make_bears_no_mark(result: object) -> None:
    assert finished_by({"result": result}) is None


def test_a_task_with_both_is_a_persons(tmp_path: Path) -> None:
    config = parse(EXAMPLE)
    question = config.questions[0]
    yes, no = (
        {
            "from_name": question.from_name,
            "to_name": question.to_name,
            "type": "choices",
            "value": {"choices": [name]},
            "score": 0.9,
        }
        for name in question.answers[:2]
    )
    ours = {"id": 1, "result": marked([yes], "2.1"), "was_cancelled": False}
    theirs = {"id": 2, "result": [no], "was_cancelled": False}
    skip = {"id": 3, "result": [], "was_cancelled": True}
    tasks = [
        {"id": number, "data": {"text": f"text {number}"}, "annotations": annotations}
        for number, annotations in enumerate([[ours], [ours, theirs], [theirs], [ours, skip]], 1)
    ]
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        pool.update(tasks, config)
        found = pool.labelling(config, empty_is_none=False)
        votes: dict[int, Votes] = pool.votes(config, empty_is_none=False)
        assert pool.finished_tasks() == [1, 2, 4]
    assert found.finished.tolist() == [1]
    assert found.answers == {2: (question.answers[1],), 3: (question.answers[1],)}
    assert (found.open_tasks, found.skipped, found.reasons) == (0, 1, {})
    assert [len(votes[number].answers) for number in (1, 2, 3, 4)] == [0, 1, 1, 0]
