"""Tasks that people ask to have labelled next: what is remembered, refused, and asked for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.errors import BadRequest
from backend.mirror import certified
from backend.mirror.picked import MOST_PICKED
from backend.mirror.pool import Pool
from backend.project import certification, picking
from backend.project.certification import Certification
from backend.project.loop import ProjectLoop
from backend.project.picking import MOST_IDS, Picked
from backend.project.round import Round
from backend.project.service import Service
from backend.project.status import Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import UNSENT, Json
from backend.web.wire import install
from model.choosing.audit import in_reserve
from model.finishing.goal import Goal
from model.storage.facts import VersionFacts
from model.storage.store import Store
from model.types import Ints
from tests.backend.test_pool import CONFIG, annotation, task
from tests.backend.test_round import (
    TASKS,
    coming,
    labelling,
    played,
    store,
)
from tests.backend.test_routes import NoWork, served_in

assert store  # a fixture

SETTINGS = Settings()
EVERY = np.arange(1, 200)
AUDITS = EVERY[in_reserve(EVERY, 0.1, 0)].tolist()
FREE = EVERY[~in_reserve(EVERY, 0.1, 0)].tolist()


def tasks(*which: int) -> Ints:
    return np.array(which, dtype=np.int64)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """199 open tasks."""
    made = Pool(tmp_path / "pool.sqlite")
    made.update([task(number) for number in EVERY.tolist()], CONFIG)
    yield made
    made.close()


def label(pool: Pool, *which: int) -> None:
    pool.update([task(number, annotation(number, "a")) for number in which], CONFIG)


def test_a_task_that_label_studio_cannot_send_does_not_wait(pool: Pool) -> None:
    """Nobody can open it, so it is not asked for, and another may have its place."""
    pool.picks.add(tasks(9, 3), 1.0)
    pool.update([{"id": 9, UNSENT: "it answers 500"}], CONFIG)
    assert pool.picks.waiting().tolist() == [3]
    pool.update([task(9)], CONFIG)
    assert pool.picks.waiting().tolist() == [9, 3]
    pool.update([{"id": 9, UNSENT: "it answers 500"}], CONFIG)
    assert pool.picks.drop_open() == 2, "none of them is asked for when it is back"


def test_what_was_picked_is_kept_in_its_order_with_what_comes_later_behind(pool: Pool) -> None:
    assert pool.picks.all().tolist() == []
    before = pool.revision()
    pool.picks.add(tasks(9, 3, 7), 1.0)
    assert pool.revision() == before + 1
    pool.picks.add(tasks(5, 3, 1), 2.0)
    assert pool.picks.all().tolist() == [9, 3, 7, 5, 1]
    assert pool.labelling(CONFIG, False).picked.tolist() == [9, 3, 7, 5, 1]
    assert pool.revision() == before + 2


def test_asking_again_for_one_that_waits_changes_nothing(pool: Pool) -> None:
    pool.picks.add(tasks(9, 3), 1.0)
    before = pool.revision()
    pool.picks.add(tasks(3), 2.0)
    assert (pool.picks.all().tolist(), pool.revision()) == ([9, 3], before)


def test_only_those_that_nobody_has_annotated_wait_and_are_forgotten(pool: Pool) -> None:
    pool.picks.add(tasks(9, 3, 7), 1.0)
    label(pool, 3)
    before = pool.revision()
    assert pool.picks.waiting().tolist() == [9, 7]
    assert pool.picks.drop_open() == 2
    assert (pool.picks.all().tolist(), pool.revision()) == ([3], before + 1)
    assert (pool.picks.drop_open(), pool.revision()) == (0, before + 1)


def test_deleted_tasks_are_forgotten(pool: Pool) -> None:
    pool.picks.add(tasks(9, 3, 7), 1.0)
    pool.keep_only({7, 8, 9})
    assert pool.picks.all().tolist() == [9, 7]


def test_an_older_mirror_gets_the_table(tmp_path: Path, pool: Pool) -> None:
    pool._db.execute("DROP TABLE picked")
    pool.close()
    again = Pool(tmp_path / "pool.sqlite")
    assert again.picks.all().tolist() == []
    again.close()


def test_two_connections_count_their_changes_one_after_the_other(
    tmp_path: Path, pool: Pool
) -> None:
    """The page and the loop write into one mirror."""
    other, before = Pool(tmp_path / "pool.sqlite"), pool.revision()
    other.picks.add(tasks(1), 1.0)
    label(pool, 2)
    other.picks.add(tasks(3), 1.0)
    other.close()
    assert pool.revision() == before + 3


def test_each_task_of_a_request_counts_once(pool: Pool) -> None:
    free = FREE[:6]
    label(pool, free[0])
    pool.update([{"id": free[1], UNSENT: "it answers 500"}], CONFIG)
    pool.add_certified(tasks(free[2]), 1.0)
    pool.picks.add(tasks(free[3]), 1.0)
    wanted = [*free[:4], free[5], AUDITS[0], free[4], 9999, free[5]]
    found = picking.pick(pool, SETTINGS, wanted)
    assert found == Picked((free[5], free[4]), audit=2, labelled=1, unknown=2, waiting=1)
    assert pool.picks.all().tolist() == [free[3], free[5], free[4]]


def test_at_most_so_many_wait_at_a_time(pool: Pool) -> None:
    found = picking.pick(pool, SETTINGS, FREE[:60])
    assert (found.asked, found.too_many) == (tuple(FREE[:MOST_PICKED]), 10)
    again = picking.pick(pool, SETTINGS, FREE[49:60])
    assert (again.asked, again.waiting, again.too_many) == ((), 1, 10)
    label(pool, *FREE[:3])
    assert picking.pick(pool, SETTINGS, FREE[50:60]).asked == tuple(FREE[50:53])
    assert picking.stop(pool) == MOST_PICKED
    assert pool.picks.all().tolist() == FREE[:3]


def test_the_reserve_is_that_of_the_settings_and_of_the_items(pool: Pool) -> None:
    everything = replace(SETTINGS, audit_share=0.9, seed=3)
    expected = EVERY[~in_reserve(EVERY, 0.9, 3)].tolist()
    assert picking.pick(pool, everything, EVERY.tolist()).asked == tuple(expected)
    pool.picks.drop_open()
    item = {**task(AUDITS[0]), "meta": {"dataset_id": "x7"}}
    pool.update([item], CONFIG)
    ticket = pool.items.tickets(tasks(AUDITS[0]))
    assert picking.pick(pool, SETTINGS, AUDITS[:1]).audit == int(in_reserve(ticket, 0.1, 0)[0])


@pytest.mark.parametrize(
    ("text", "ids"), [("12", [12]), (" 3, 1 ,2", [3, 1, 2]), ("", []), ("  ", [])]
)
def test_ids_are_read(text: str, ids: list[int]) -> None:
    assert picking.ids_in(text) == ids


@pytest.mark.parametrize("text", ["a", "1,,2", "1,", "-1", "1.5", "²", "9" * 16, "1 2", "0x1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no number of a task: send the numbers"):
        picking.ids_in(text)


def test_no_tasks_and_too_many_are_refused(pool: Pool) -> None:
    with pytest.raises(BadRequest, match="No task is named: send the numbers"):
        picking.pick(pool, SETTINGS, [])
    with pytest.raises(BadRequest, match="5,001 tasks are named, and at most 5,000 are looked at"):
        picking.pick(pool, SETTINGS, [1] * (MOST_IDS + 1))
    assert pool.picks.all().tolist() == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Picked((1,)), "1 task is asked for next."),
        (
            Picked(tuple(range(12)), audit=2, labelled=1),
            "12 tasks are asked for next. 2 belong to the audit reserve, which is drawn at random "
            "and never chosen; 1 is labelled already.",
        ),
        (
            Picked((), labelled=2, unknown=1, waiting=1, too_many=1),
            "No task is asked for next. 2 are labelled already; 1 waits already; 1 is no task of "
            "this project that people can open; 1 is left out, because at most 50 may wait at a "
            "time.",
        ),
        (
            Picked((4, 5), unknown=2, waiting=3, too_many=7),
            "2 tasks are asked for next. 3 wait already; 2 are no tasks of this project that "
            "people can open; 7 are left out, because at most 50 may wait at a time.",
        ),
    ],
)
def test_what_became_of_them_in_words(found: Picked, sentence: str) -> None:
    assert found.sentence == sentence


def free(which: Ints) -> Ints:
    return which[~in_reserve(which, 0.1, 0)]


def test_a_round_asks_first_for_them_and_remembers_why(store: Store) -> None:
    known = labelling(store, 60)
    usual = played(store, known).version
    assert (usual.facts.picked_first, usual.facts.picked_labels) == (0, 0)
    open_tasks = free(TASKS[60:])
    wanted = open_tasks[~np.isin(open_tasks, usual.shortlist)][[9, 2]]
    labelled = free(TASKS[:60])[:3]
    found = played(store, replace(known, picked=np.concatenate([labelled, wanted])))
    version = store.load_version(found.version.name)
    assert version.shortlist.tolist() == [*wanted.tolist(), *usual.shortlist[:3].tolist()]
    assert (version.facts.picked_first, version.facts.picked_labels) == (2, 3)
    assert version.facts.why == ("picked", "picked", *usual.facts.why[:3])
    assert [one["task"] for one in found.predictions] == version.shortlist.tolist()
    assert all(one["result"] for one in found.predictions), "pre-annotated like others"


def test_they_come_first_also_without_a_vector_in_the_order_of_the_request(store: Store) -> None:
    """Whoever looked for a text wants it next, encoded or not."""
    known = replace(coming(store, labelling(store, 60), 160), blank=np.array([7, 8]))
    usual = played(store, known, size=8).version
    later, now = free(TASKS[160:])[[3]], free(TASKS[100:160])[[1]]
    blank = free(np.array([7, 8]))[:1]
    audit = TASKS[160:][in_reserve(TASKS[160:], 0.1, 0)][:1]
    wanted = np.concatenate([later, audit, now, blank])
    found = played(store, replace(known, picked=wanted), size=8)
    assert found.version.shortlist[:3].tolist() == [*later, *now, *blank]
    assert found.version.facts.picked_first == 3
    rest = [one for one in usual.shortlist.tolist() if one not in set(wanted.tolist())]
    assert found.version.shortlist[3:].tolist() == rest[:5]
    assert (found.unranked, found.version.facts.unreadable) == (0, 2)
    assert [bool(one["result"]) for one in found.predictions[:4]] == [False, True, False, True]


def test_why_is_known_of_tasks_without_a_vector(store: Store) -> None:
    found = played(store, coming(store, labelling(store, 157), 160), size=30)
    why, tasks = found.version.facts.why, found.version.shortlist[:20]
    assert len(why) == 20
    is_audit = in_reserve(tasks, 0.1, 0)
    without = np.where(is_audit, "audit", "unranked").tolist()
    ranked = np.isin(tasks, TASKS[:160])
    assert [one for one, mine in zip(why, ranked, strict=True) if not mine] == [
        one for one, mine in zip(without, ranked, strict=True) if not mine
    ]
    assert {*why} == {"model", "audit", "unranked"}


def followed(pool: Pool, played: Round, picked: int, certifying: int) -> Certification:
    """What goes on after a round in which so many tasks were picked, and so many certify."""
    certified.begin(pool, Goal(0.9, 0.8), 30)
    now = certified.current(pool)
    facts = replace(played.version.facts, picked_first=picked, certifying=certifying)
    version = replace(played.version, facts=facts)
    found = Certification(Goal(0.9, 0.8), now, 0)
    return certification.follow(pool, found, replace(played, version=version))


def test_certification_takes_what_follows_the_picked_ones(store: Store, pool: Pool) -> None:
    """Else their labels would only measure."""
    done = played(store, labelling(store, 60))
    assert followed(pool, done, picked=2, certifying=2).now is not None
    assert pool.certified().tolist() == sorted(done.version.shortlist[2:4].tolist())


def test_certification_goes_on_where_picked_tasks_leave_it_no_room(
    store: Store, pool: Pool
) -> None:
    done = played(store, labelling(store, 60))
    assert followed(pool, done, picked=5, certifying=0).now is not None
    assert followed(pool, done, picked=0, certifying=0).now is None, "nothing is left to prove"
    assert pool.certified().tolist() == []


@pytest.fixture
def loop(tmp_path: Path) -> ProjectLoop:
    """Of project 7, which has 199 tasks and serves a version."""
    made = ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)
    served = served_in(tmp_path / "7")
    facts = VersionFacts(labels=42, picked_labels=2, why=("picked", "certify", "audit"))
    version = replace(served.version, facts=facts, shortlist=tasks(4, 5, 6))
    made.status = Status(served=replace(served, version=version), studio_address="http://studio")
    mirror = Pool(tmp_path / "7" / "pool.sqlite")
    mirror.update([task(number) for number in EVERY.tolist()], CONFIG)
    mirror.close()
    made._hints.clear()
    return made


@pytest.fixture
def client(tmp_path: Path, loop: ProjectLoop) -> FlaskClient:
    service = Service(Settings(model_dir=tmp_path))
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    return app.test_client()


def told(client: FlaskClient) -> Json:
    found: Json = json.loads(client.get("/status/7.json").text)
    return found


def test_people_pick_and_go_back_over_the_page(client: FlaskClient, loop: ProjectLoop) -> None:
    assert "Back to the usual order" not in client.get("/status/7").text
    answer = client.post("/status/7/pick", data={"tasks": f"{FREE[3]}, {AUDITS[0]},{FREE[0]}"})
    assert (answer.status_code, answer.json) == (
        200,
        {
            "asked": [FREE[3], FREE[0]],
            **{"audit": 1, "labelled": 0, "unknown": 0, "waiting": 0, "too_many": 0},
            "sentence": "2 tasks are asked for next. 1 belongs to the audit reserve, which is "
            "drawn at random and never chosen.",
        },
    )
    assert loop._hints == {"labels"}, "its loop is woken"
    assert told(client)["picked"] == {"waiting": 2, "labels": 2}
    page = client.get("/status/7").text
    assert "<p>2 tasks that somebody chose are asked for first.</p>" in page
    assert 'action="7/pick/stop"><button>Back to the usual order</button>' in page
    assert "2 of the labels are of tasks that people chose. The model learns from them" in page

    loop._hints.clear()
    stopped = client.post("/status/7/pick/stop")
    assert (stopped.status_code, stopped.location) == (303, "../../7")
    assert loop._hints == {"labels"}
    assert told(client)["picked"] == {"waiting": 0, "labels": 2}
    page = client.get("/status/7").text
    assert "that somebody chose" not in page and "tasks that people chose" in page


def test_nothing_is_said_of_picked_tasks_where_there_are_none(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    assert loop.served is not None
    version = replace(loop.served.version, facts=VersionFacts(labels=42))
    loop.status = replace(loop.status, served=replace(loop.served, version=version))
    page = client.get("/status/7").text
    assert "Tasks that people chose" not in page and "Why these tasks come next" not in page
    assert told(client)["next"] == []


def test_the_page_says_why_the_next_tasks_come_next(client: FlaskClient, tmp_path: Path) -> None:
    page = client.get("/status/7").text
    assert "<h2>Why these tasks come next</h2>" in page
    assert (
        '<td><a href="http://studio/projects/7/data?task=4">4</a></td><td class="words">somebody '
        "asked for it</td>" in page
    )
    assert '<td class="words">to prove what the model may label</td>' in page
    assert '<td class="words">audit task, drawn at random</td>' in page


@pytest.mark.parametrize("text", ["", "ten", "1;2", ","])
def test_a_request_that_names_no_tasks_is_refused(client: FlaskClient, text: str) -> None:
    answer = client.post("/status/7/pick", data={"tasks": text})
    assert answer.status_code == 400
    assert answer.json is not None and "such as 12,15,31" in answer.json["error"]
    assert told(client)["picked"]["waiting"] == 0


def test_as_many_as_may_be_named_fit_into_a_request(client: FlaskClient) -> None:
    text = ",".join(str(number) for number in range(10**9, 10**9 + MOST_IDS))
    answer = client.post("/status/7/pick", data={"tasks": text})
    assert answer.json is not None
    assert (answer.json["unknown"], answer.json["asked"]) == (MOST_IDS, [])


def test_other_sites_and_other_projects_pick_nothing(client: FlaskClient) -> None:
    headers = {"Origin": "http://evil.example"}
    for path in ("/status/7/pick", "/status/7/pick/stop"):
        assert client.post(path, data={"tasks": "4"}, headers=headers).status_code == 403
        assert client.post(path.replace("7", "8"), data={"tasks": "4"}).status_code == 404
    assert told(client)["picked"]["waiting"] == 0
