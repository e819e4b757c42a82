"""When a new order is due."""

from dataclasses import replace
from typing import Any

import pytest

from backend.interface.parse import EXAMPLE, parse
from backend.project.due import Ranked, is_due

OTHER = parse(EXAMPLE.replace('value="Yes"', 'value="Yes" hint="It is so"'))
BEFORE = Ranked(
    revision=3, config=parse(EXAMPLE), encoder=0, covered=40, total=100, names=1, pinned=None
)


@pytest.mark.parametrize(
    ("changed", "all_read", "due"),
    [
        ({}, True, False),
        ({"revision": 4}, True, True),
        ({"revision": 4}, False, False),
        ({"config": OTHER}, True, True),
        ({"names": 2}, True, True),
        ({"names": 2}, False, True),
        ({"covered": 79}, True, False),
        ({"covered": 80}, True, True),
        ({"covered": 100}, True, True),
        ({"encoder": 1}, True, True),
        ({"pinned": "0.3"}, True, True),
        ({"used": 0.5}, True, False),
        ({"used": 0.5}, False, True),
        ({"used": 0.48}, False, False),
        ({"total": 90}, True, False),
        ({"is_outside": True}, True, True),
    ],
)
def test_an_order_is_due_when_something_changed(
    changed: dict[str, Any], all_read: bool, due: bool
) -> None:
    """What a label is called comes from the trainer after all tasks are encoded, where a choice is
    new: without an order of its own it would count with the next label only. And when a dataset was
    taken away, the page knew nothing to promise until the next label."""
    assert is_due(BEFORE, replace(BEFORE, **changed), all_read) == due


@pytest.mark.parametrize(
    ("changed", "due"),
    [({}, False), ({"covered": 41}, True), ({"total": 99}, True), ({"unranked": 0}, False)],
)
def test_each_vector_counts_while_tasks_without_one_are_asked_for(
    changed: dict[str, Any], due: bool
) -> None:
    """Clips are encoded a few at a time: until their number had doubled, people were asked at
    random. Of fewer tasks some turned out to be unreadable, which come last."""
    assert is_due(replace(BEFORE, unranked=10), replace(BEFORE, **changed), True) == due


def test_the_first_order_is_due() -> None:
    assert is_due(None, BEFORE, False)
