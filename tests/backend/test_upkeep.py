"""What is put right again in Label Studio at each look."""

from contextlib import closing
from pathlib import Path

import pytest

from backend.mirror.pool import Pool
from backend.queue.inbox import Inbox
from backend.queue.upkeep import Upkeep
from backend.studio.api import Studio
from backend.studio.connection import Connection
from tests.backend.web import Answer, Web

IN_ORDER = {"model_version": "0.1", "sampling": "Uncertainty sampling"}


def test_tabs_at_which_label_studio_fails_are_asked_for_again_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log got the same warning at each look, thousands a day."""
    path = "/api/dm/views/"
    with closing(Web()) as web, closing(Pool(tmp_path / "pool.sqlite")) as pool:
        studio, connection = Studio(web.url, "token").of(7), Connection(web.url, "token")
        upkeep = Upkeep(studio, pool, Inbox(), connection)
        for status in (500, 500, 200, 500):
            ordered = b'[{"id": 1, "data": {"ordering": ["tasks:id"]}}]'
            web.answers[path] = Answer(b"{}" if status == 500 else ordered, status)
            assert upkeep.restore_order(IN_ORDER, "0.1")
            upkeep.forget_tab()
        assert web.paths() == [f"{path}?project=7"] * 4
    assert [line.count("the tabs stay as they are") for line in caplog.messages] == [1, 1]
