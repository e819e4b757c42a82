"""Which of a project's backends is ours, and what a request may claim of that."""

import json
from itertools import pairwise

import pytest

from backend.errors import NotListed
from backend.queue.inbox import Inbox
from backend.queue.listing import Listing, Registration, Row, listing_of
from backend.queue.repairs import FREE, LONGEST, WINDOW, Repairs
from backend.queue.webhook import SECRET_HEADER, is_secret_lost, rival_in
from backend.studio.api import Studio
from backend.types import Json
from tests.backend.web import Answer, Web

OURS, OTHER, PROXY = "http://al.local:9090", "http://llm.local:9091", "https://al.example.org/al"


@pytest.mark.parametrize(
    ("answers", "known", "found"),
    [
        pytest.param({OURS: "me"}, "", (OURS, []), id="the only one"),
        pytest.param({OTHER: "somebody else"}, "", None, id="only another"),
        pytest.param({OTHER: None}, "", None, id="only one that does not answer"),
        pytest.param({}, OURS, None, id="deleted"),
        pytest.param({OTHER: "0.1"}, OURS, None, id="deleted, and another is left"),
        pytest.param({OURS: None, OTHER: None}, OURS, (OURS, []), id="as before, out of reach"),
        pytest.param({OTHER: None, OURS: "me"}, "", (OURS, [OTHER]), id="the second of two"),
        pytest.param({PROXY: "me", OTHER: "0.1"}, OURS, (PROXY, []), id="under a new address"),
    ],
)
def test_listing_believes_what_label_studio_passes_on(
    web: Web, answers: dict[str, str | None], known: str, found: tuple[str, list[str]] | None
) -> None:
    """Requests to /setup said who we are, and anybody can send those."""
    rows = [{"id": number, "url": url} for number, url in enumerate(answers, 1)]
    web.answers["/api/ml/"] = Answer(json.dumps(rows[::-1]).encode())
    for number, name in enumerate(answers.values(), 1):
        path = f"/api/ml/{number}/versions"
        told = Answer(json.dumps({"versions": [name]}).encode())
        web.answers[path] = Answer(b'{"error": "down"}', 500) if name is None else told
    inbox = Inbox("me")
    inbox.call(OURS, "http://evil.example")
    studio = Studio(web.url, "token").of(7)
    if found is None:
        with pytest.raises(NotListed, match="does not list this backend for project 7"):
            listing_of(studio, inbox, known)
    else:
        listing = listing_of(studio, inbox, known)
        assert (listing.own.url, [row.url for row in listing.earlier]) == found
        assert listing.studio_address == "", "nobody said it while we asked"


def test_the_whole_list_is_asked_for_only_when_something_may_have_changed(web: Web) -> None:
    """Label Studio saves each row when it is asked for the list: one that was deleted meanwhile was
    back afterwards."""
    rows, lists = [{"id": 1, "url": OURS}], ["/api/ml/?project=7"]
    web.answers["/api/ml/"] = Answer(json.dumps(rows).encode())
    web.answers["/api/ml/1/versions"] = Answer(b'{"versions": ["me"]}')
    inbox = Inbox("me")
    inbox.call(f"{OURS}/", "")
    registration = Registration(Studio(web.url, "token").of(7), inbox, "")

    def asked() -> list[str]:
        return [path for path in web.paths() if path in lists]

    for _ in range(3):
        assert registration.look().own == Row(1, OURS)
    assert len(asked()) == 1
    inbox.call(f"{PROXY}/", "")  # somebody changed the address
    web.answers["/api/ml/"] = Answer(json.dumps([{"id": 1, "url": PROXY}]).encode())
    assert registration.look().own == registration.look().own == Row(1, PROXY)
    assert len(asked()) == 2
    web.answers["/api/ml/"] = Answer(b"[]")
    del web.answers["/api/ml/1/versions"]  # it is deleted
    for _ in range(2):
        with pytest.raises(NotListed):
            registration.look()
    assert len(asked()) == 4


def webhook(url: str, secret: str | None) -> Json:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    return {"url": f"{url}/webhook", "headers": headers}


def test_only_a_listed_backend_of_our_kind_that_came_first_is_a_rival() -> None:
    ours, other = Row(2, OURS), Row(1, OTHER)
    second, first = Listing(ours, (other,), ""), Listing(ours, (), "")
    assert rival_in([webhook(OTHER, "theirs")], second, "ours") == other
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
