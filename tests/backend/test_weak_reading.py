"""When the predictions of other programs are read, and what is said of those that are not used. The
reading itself is tested on a real server, in tests/studio/test_weak_labels.py."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.interface.parse import parse
from backend.mirror.pool import Pool
from backend.project import weak_reading
from backend.project.weak_reading import MANY, PAUSE_SECONDS, foreign, is_own
from backend.studio.api import Studio
from backend.studio.project import StudioProject
from backend.types import Json
from tests.backend.web import Answer, Web

NOON = 1_800_000_000.0
DAY = 24 * 3600.0
CONFIG = parse(
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="Sport"/><Choice value="Tech"/></Choices></View>'
)
SPORT = [
    {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["Sport"]}}
]
VERSIONS, TASKS = "/api/projects/7/model-versions/", "/api/tasks/"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with closing(Pool(tmp_path / "pool.sqlite")) as opened:
        yield opened


@pytest.fixture
def studio(web: Web) -> StudioProject:
    return Studio(web.url, "token").of(7)


def there_are(web: Web, counts: dict[str | None, int], latest: str = "2026-01-01") -> None:
    """These versions are there, with as many predictions, and task 3 has one of each."""
    rows = [
        {"model_version": name, "count": count, "latest": latest} for name, count in counts.items()
    ]
    web.answers[VERSIONS] = Answer(json.dumps({"static": rows}).encode())
    predictions: list[Json] = [
        {"model_version": name, "result": SPORT, "created_at": latest} for name in counts
    ]
    page = {"total": 1, "tasks": [{"id": 3, "predictions": predictions}]}
    web.answers[TASKS] = Answer(json.dumps(page).encode())


def names(pool: Pool) -> set[str]:
    return {one.name for one in pool.weak_sources(CONFIG, (), empty_is_none=False)}


def test_predictions_are_read_when_there_are_others(
    web: Web, pool: Pool, studio: StudioProject
) -> None:
    there_are(web, {"rules": 1, "0.1": 5})
    pool.add_published("0.1", NOON)
    assert weak_reading.look(pool, studio, NOON) == []
    assert weak_reading.is_going_on(pool)
    assert weak_reading.read_on(pool, studio) == ""
    assert not weak_reading.is_going_on(pool)
    assert names(pool) == {"rules"}
    weak_reading.look(pool, studio, NOON + 60)
    assert not weak_reading.is_going_on(pool), "nothing has changed"
    weak_reading.look(pool, studio, NOON + DAY)
    assert weak_reading.is_going_on(pool), "one may have been changed in its place"
    weak_reading.read_on(pool, studio)
    there_are(web, {"0.1": 5})
    weak_reading.look(pool, studio, NOON + DAY + 60)
    weak_reading.read_on(pool, studio)
    assert names(pool) == set()


def test_while_many_are_written_reading_comes_to_its_end(
    web: Web, pool: Pool, studio: StudioProject
) -> None:
    """Each look finds others than before: reading began again and again."""
    there_are(web, {"llm": MANY})
    weak_reading.look(pool, studio, NOON)
    revision = pool.revision()
    there_are(web, {"llm": MANY + 1})
    weak_reading.look(pool, studio, NOON + 60)
    weak_reading.read_on(pool, studio)
    assert pool.revision() > revision
    weak_reading.look(pool, studio, NOON + 120)
    assert not weak_reading.is_going_on(pool)
    weak_reading.look(pool, studio, NOON + PAUSE_SECONDS)
    assert weak_reading.is_going_on(pool)


def test_what_is_not_used_is_named(web: Web, pool: Pool, studio: StudioProject) -> None:
    there_are(web, {"4.1": 3, None: 2, "rules": 1})
    assert weak_reading.look(pool, studio, NOON) == [
        "The 3 predictions of model version '4.1' are not used as weak labels: its name is like "
        "those of this backend's own versions. Give it another name",
        "2 predictions have no model version, so they are not used as weak labels. Import them "
        "again with a `model_version`",
    ]
    weak_reading.read_on(pool, studio)
    assert names(pool) == {"rules"}


def test_an_error_of_label_studio_stops_nothing_else(
    web: Web, pool: Pool, studio: StudioProject
) -> None:
    there_are(web, {"rules": 1})
    weak_reading.look(pool, studio, NOON)
    web.answers[TASKS] = Answer(b'{"detail": "Expression tree is too large"}', 400)
    told = weak_reading.read_on(pool, studio)
    assert told.startswith("The predictions of other programs cannot be read: GET /api/tasks/")
    assert not weak_reading.is_going_on(pool)
    there_are(web, {"rules": 1})
    weak_reading.look(pool, studio, NOON + 60)
    weak_reading.read_on(pool, studio)
    assert names(pool) == {"rules"}


def test_predictions_are_forgotten_when_they_are_not_to_be_used(
    web: Web, pool: Pool, studio: StudioProject
) -> None:
    there_are(web, {"rules": 1})
    weak_reading.look(pool, studio, NOON)
    weak_reading.read_on(pool, studio)
    weak_reading.forget(pool)
    assert names(pool) == set()
    weak_reading.look(pool, studio, NOON + 60)
    assert weak_reading.is_going_on(pool), "switched on again"


@pytest.mark.parametrize("version", ["2.13", "0.1"])
def test_our_own_versions_are_no_sources(version: str) -> None:
    assert is_own(version)
    assert foreign({version: 1, "gpt 4.1": 2, "1.0": 3}, ["1.0"]) == {"gpt 4.1": 2}


@pytest.mark.parametrize("version", ["rules", "1.0", "v1.2", "1.2.3", "1", "", "²,1", "undefined"])
def test_other_names_are_not_ours(version: str) -> None:
    assert not is_own(version)
