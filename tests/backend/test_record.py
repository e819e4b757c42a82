"""Which task ended the trainer process. A process that ends leaves its record as it was; so does a
record here that is left in the middle of reading."""

import errno
from contextlib import closing
from pathlib import Path

import pytest

from backend.interface.parse import EXAMPLE, parse
from backend.media.contents import SET_ASIDE, opened_record
from backend.media.record import ReadingRecord, end_reading, forget_reading
from backend.mirror.pool import Pool
from backend.trainer.embed import embed_pool
from model.storage.store import Store
from tests.backend.test_trainer import IGNORE, Heard, hundred_texts

LEFT: list[object] = []
"""Blocks that were never left; forgotten, they would be."""


def ignore() -> None:
    """Nobody waits for what is read."""


def die_reading(folder: Path, *tasks: int) -> None:
    """What a process leaves that ends while it reads these tasks: it never comes out of this."""
    reading = ReadingRecord(folder, ignore).naming(tasks)
    reading.__enter__()
    LEFT.append(reading)


def record_of(folder: Path) -> ReadingRecord:
    return ReadingRecord(folder, ignore)


def test_a_task_in_which_the_process_ended_twice_is_deadly(tmp_path: Path) -> None:
    """One picture ended the process at each start, and its project got no order any more."""
    die_reading(tmp_path, 7)
    once = record_of(tmp_path)
    assert (once.suspects(), once.deadly()) == ([7], [])
    die_reading(tmp_path, 7)
    assert record_of(tmp_path).deadly() == [7]


def test_of_a_batch_each_task_is_read_alone_before_one_is_blamed(tmp_path: Path) -> None:
    die_reading(tmp_path, 5, 6, 7)
    after = record_of(tmp_path)
    assert (after.suspects(), after.deadly()) == ([5, 6, 7], [])
    die_reading(tmp_path, 6)
    die_reading(tmp_path, 6, 8)
    assert record_of(tmp_path).deadly() == [], "it was read alone only once"
    die_reading(tmp_path, 6)
    assert record_of(tmp_path).deadly() == [6]


def test_what_was_read_to_the_end_is_no_longer_suspect(tmp_path: Path) -> None:
    die_reading(tmp_path, 5, 6)
    record = record_of(tmp_path)
    with record.naming([5]):
        pass
    record.forget([5])
    assert record_of(tmp_path).suspects() == [6]


def test_one_end_of_the_process_counts_once(tmp_path: Path) -> None:
    """If the next process ends before it reads anything, that is no fault of the task; it is the
    job's, which fails after two such ends and is not tried for ever."""
    die_reading(tmp_path, 7)
    assert end_reading(tmp_path) == [7]
    assert end_reading(tmp_path) == []
    assert (record_of(tmp_path).suspects(), record_of(tmp_path).deadly()) == ([7], [])


@pytest.mark.parametrize(("error", "blamed"), [(MemoryError, [7]), (ValueError, [])])
def test_a_task_that_uses_up_the_memory_counts_as_an_end_of_the_process(
    tmp_path: Path, error: type[Exception], blamed: list[int]
) -> None:
    """The job failed each time, and the same task was read first each time."""
    with pytest.raises(error), record_of(tmp_path).naming([7]):
        raise error
    assert record_of(tmp_path).suspects() == blamed


def test_a_process_that_we_end_blames_nothing(tmp_path: Path) -> None:
    """Otherwise two restarts of the backend would set a task aside."""
    die_reading(tmp_path, 7)
    forget_reading(tmp_path)
    assert record_of(tmp_path).suspects() == []


@pytest.mark.parametrize("content", ["", '{"reading": [7'])
def test_a_record_that_was_just_being_written_names_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "reading.json").write_text(content)
    assert record_of(tmp_path).suspects() == []


def test_suspects_are_encoded_last_and_alone(tmp_path: Path) -> None:
    """All others have an order before the process may end again."""
    job = hundred_texts(tmp_path)
    die_reading(tmp_path, 3, 95)
    heard = Heard()
    assert embed_pool(job, heard)["left"] == 0
    assert heard.shares == [0.64, 0.98, 0.99, 1.0]
    assert record_of(tmp_path).suspects() == []


def test_a_deadly_text_is_set_aside_until_people_ask(tmp_path: Path) -> None:
    """All others are encoded and the encoder is ready to rank. Start Training has it read again,
    which it may end at most twice again."""
    job, config = hundred_texts(tmp_path), parse(EXAMPLE)
    for _ in range(2):
        die_reading(tmp_path, 3)
    assert embed_pool(job, IGNORE) == {"encoder": 0, "tasks": 99, "left": 0}
    assert Store(tmp_path).is_ready(0)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        assert pool.unreadable(9) == (1, {3: SET_ASIDE})
        pool.retry_unreadable(1e12)
        assert pool.unreadable(9)[0] == 1, "not by itself"
        pool.retry_all_unreadable()
        die_reading(tmp_path, 3)
        assert opened_record(pool, config, tmp_path, ignore).deadly() == []
        assert pool.unreadable(9)[0] == 0
        die_reading(tmp_path, 3)
        opened_record(pool, config, tmp_path, ignore)
        assert pool.unreadable(9) == (1, {3: SET_ASIDE})


def test_deaths_that_were_counted_survive_a_disk_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record was emptied before it was written, and the deadly task was read again."""
    die_reading(tmp_path, 7)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", written_halfway)
        for tell in (end_reading, forget_reading):
            with pytest.raises(OSError, match="No space left"):
                tell(tmp_path)
    assert record_of(tmp_path).suspects() == [7]
    assert [path.name for path in tmp_path.iterdir()] == ["reading.json"]


def written_halfway(path: Path, text: str) -> int:
    """As on a disk that is full by then."""
    path.write_bytes(text[:3].encode())
    raise OSError(errno.ENOSPC, "No space left on device")
