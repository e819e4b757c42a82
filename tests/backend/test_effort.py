"""How long people have labelled: what counts of the times that Label Studio measures."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.interface.parse import EXAMPLE, parse
from backend.mirror.effort import A_YEAR, Effort, Times
from backend.mirror.pool import Pool
from backend.types import Json


def annotation(seconds: Any, **other: Any) -> Json:
    return {"id": 1, "was_cancelled": False, "lead_time": seconds, **other}


def total(*rows: Json) -> Effort:
    times = Times()
    for row in rows:
        times.add([row])
    return times.total()


def test_times_add_up_and_those_of_skips_with_them() -> None:
    found = total(annotation(10.0), annotation(20), annotation(30.0, was_cancelled=True))
    assert found == Effort(seconds=60.0, annotations=2, worked=2, timed=3)


@pytest.mark.parametrize(
    ("usual", "counts"), [(2.0, 40.0), (25.0, 500.0), (60.0, 600.0), (900.0, 3600.0)]
)
def test_a_page_that_was_open_over_lunch_does_not_count(usual: float, counts: float) -> None:
    """Twenty times the median, and ten minutes at most; where tasks take a quarter of an hour, an
    hour is nothing special."""
    found = total(*(annotation(usual) for _ in range(9)), annotation(5400.0))
    assert found.seconds == 9 * usual + counts
    assert found.cut == 1


def test_what_an_earlier_release_stored_counts_as_the_median() -> None:
    old = {"id": 1, "was_cancelled": False}
    found = total(annotation(10.0), annotation(20.0), annotation(90.0), old, old)
    assert (found.seconds, found.guessed, found.annotations) == (160.0, 2, 5)


@pytest.mark.parametrize(
    "value", [None, "12", True, -1.0, 0.0, 1e308, float("inf"), float("nan"), [1]]
)
def test_what_is_no_time_counts_as_none(value: Any) -> None:
    found = total(annotation(value), annotation(10.0))
    assert (found.seconds, found.timed, found.timeless) == (10.0, 1, 1)
    assert (found.annotations, found.worked) == (2, 1), "an imported label makes nobody faster"


@given(st.lists(st.floats() | st.floats(0, 1e4) | st.none(), max_size=20))
@example([1.7e308, 1.7e308])
def test_never_more_than_was_measured(values: list[float | None]) -> None:
    found = total(*map(annotation, values))
    real = [one for one in values if one is not None and 0 < one < A_YEAR]
    assert 0.0 <= found.seconds <= sum(real) + 0.1
    assert found.timed + found.timeless == len(values)


def test_the_mirror_keeps_the_time_that_label_studio_sends(tmp_path: Path) -> None:
    config, pool = parse(EXAMPLE), Pool(tmp_path / "pool.sqlite")
    sent = {**annotation(12.5), "result": [], "completed_by": 1, "created_at": "2026-01-01"}
    task = {"id": 3, "data": {"text": "a"}, "annotations": [sent]}
    pool.update([task], config)
    assert pool.labelling(config, empty_is_none=False).effort.seconds == 12.5
    assert pool.update([task], config) == 0, "nothing has changed"
