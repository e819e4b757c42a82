"""When everything that is annotated is read again. That it finds what a restored backup changed is
tested on a real server, in tests/studio/test_trouble.py."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.mirror.pool import Pool
from backend.project import reread

NOON = 1_800_000_000.0
HOUR = 3600.0


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with closing(Pool(tmp_path / "pool.sqlite")) as opened:
        yield opened


def test_a_mirror_of_an_earlier_release_is_due(pool: Pool) -> None:
    assert reread.is_due(pool, NOON)


@pytest.mark.parametrize("how", [reread.begin, reread.skip])
def test_it_is_due_again_after_a_day(pool: Pool, how: object) -> None:
    assert callable(how)
    how(pool, NOON)
    assert not reread.is_due(pool, NOON + 23.9 * HOUR)
    assert reread.is_due(pool, NOON + 24 * HOUR)


def test_what_was_read_just_now_is_not_read_again(pool: Pool) -> None:
    reread.begin(pool, NOON)
    assert reread.is_going_on(pool)
    reread.skip(pool, NOON)
    assert not reread.is_going_on(pool)
