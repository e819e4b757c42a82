"""Which of a project's backends is ours, and what a request may claim of that."""

from itertools import pairwise

import pytest

from backend.queue.inbox import SetupCall
from backend.queue.listing import Listing, own_address
from backend.queue.repairs import FREE, LONGEST, WINDOW, Repairs
from backend.queue.webhook import SECRET_HEADER, is_secret_lost, rival_in
from backend.types import Json

OURS, OTHER, PROXY = "http://al.local:9090", "http://llm.local:9091", "https://al.example.org/al"


def calls(*hosts: str) -> list[SetupCall]:
    return [SetupCall(f"{host}/", "", 1.0) for host in hosts]


@pytest.mark.parametrize(
    ("urls", "known", "called", "found"),
    [
        pytest.param([OURS], "", [OURS], OURS, id="the only one, and we were called"),
        pytest.param([OURS], "", [], None, id="a request came, but not while we asked"),
        pytest.param([], OURS, [OURS], None, id="deleted"),
        pytest.param([OTHER], OURS, [], None, id="deleted, and another is left"),
        pytest.param([OURS, OTHER], OURS, [], OURS, id="as before, and the call was lost"),
        pytest.param([OTHER, OURS], "", [OURS], OURS, id="one of two"),
        pytest.param([PROXY], "", ["http://inner:9090"], PROXY, id="behind a proxy"),
        pytest.param([PROXY, OTHER], "", ["http://inner:9090"], "", id="behind a proxy, of two"),
    ],
)
def test_own_address(urls: list[str], known: str, called: list[str], found: str | None) -> None:
    assert own_address(urls, known, calls(*called)) == found


def webhook(url: str, secret: str | None) -> Json:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    return {"url": f"{url}/webhook", "headers": headers}


def test_only_a_listed_backend_of_our_kind_that_came_first_is_a_rival() -> None:
    second, first = Listing(OURS, (OTHER,), ""), Listing(OURS, (), "")
    assert rival_in([webhook(OTHER, "theirs")], second, "ours") == OTHER
    assert rival_in([webhook(OTHER, "theirs")], first, "ours") is None
    assert rival_in([webhook(OTHER, None)], second, "ours") is None  # of another kind
    assert rival_in([webhook(OTHER, "ours")], second, "ours") is None  # our own, under another name
    assert rival_in([webhook(PROXY, "theirs")], second, "ours") is None  # left behind


def test_a_secret_is_lost_when_our_webhook_carries_another_or_none() -> None:
    assert not is_secret_lost([webhook(OURS, "ours"), webhook(OTHER, None)], OURS, "ours")
    assert is_secret_lost([webhook(OURS, None)], f"{OURS}/", "ours")
    assert is_secret_lost([webhook(OURS, "stolen")], OURS, "ours")


def test_repairs_wait_twice_as_long_each_time_and_are_forgotten() -> None:
    repairs, made, now = Repairs(), [], 0.0
    while now < WINDOW / 2:
        if repairs.may(now):
            repairs.add(now)
            made.append(now)
        now += 0.5
    assert made[:FREE] == [0.0, 0.5, 1.0]
    waits = [after - before for before, after in pairwise(made)][FREE - 1 :]
    assert waits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST]
    assert set(waits[7:]) == {LONGEST}
    assert repairs.count(now) == len(made)
    assert repairs.may(now + WINDOW) and repairs.count(now + WINDOW) == 0
