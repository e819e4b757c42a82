"""Who the annotators are, as far as Label Studio says."""

import json

import pytest

from backend.errors import StudioError
from backend.project.people import name_of, names_of, people_in
from backend.studio.session import Session
from backend.types import Json
from backend.web.pages.people import with_names
from tests.backend.web import Answer, Web

USERS = [
    {"id": 1, "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"},
    {"id": 2, "first_name": "", "last_name": "", "email": "second@example.org"},
    {"id": 3, "first_name": "Somebody", "last_name": "Else", "email": "c@example.org"},
]


def test_only_those_who_annotated_are_named(web: Web) -> None:
    web.answers["/api/users/"] = Answer(json.dumps(USERS).encode())
    session = Session(web.url, "t", repeats=0)
    assert names_of(session, {1, 2, 9}) == {1: "Ada Lovelace", 2: "second@example.org"}
    session.close()


def test_nobody_is_asked_about_nobody(web: Web) -> None:
    session = Session(web.url, "t", repeats=0)
    assert names_of(session, set()) == {}
    assert web.paths() == []
    session.close()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_names_that_may_not_be_read_are_done_without(web: Web, status: int) -> None:
    web.answers["/api/users/"] = Answer(b"{}", status)
    session = Session(web.url, "t", repeats=0)
    assert names_of(session, {1}) == {}
    session.close()


def test_a_label_studio_that_is_away_is_asked_again() -> None:
    session = Session("http://127.0.0.1:9", "t", repeats=0)
    with pytest.raises(StudioError):
        names_of(session, {1})
    session.close()


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"id": 1, "first_name": "Ada"}, "Ada"),
        ({"id": 1, "first_name": None, "username": "ada"}, "ada"),
        ({"id": 1}, "user 1"),
    ],
)
def test_a_user_is_called_by_the_name_that_there_is(user: Json, name: str) -> None:
    assert name_of(user) == name


def test_a_review_without_annotators_stays_as_it_is() -> None:
    assert people_in({}) == set()
    assert with_names({"tasks": []}, {1: "Ada"}) == {"tasks": []}
    rows = {"annotators": {"people": [{"person": 1}, {"person": 2}], "unknown": 0}}
    assert people_in(rows) == {1, 2}
    named = with_names(rows, {1: "Ada"})["annotators"]["people"]
    assert [one["name"] for one in named] == ["Ada", "user 2"]
