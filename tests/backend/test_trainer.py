"""The trainer's jobs, called as the process calls them."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from backend import trainer
from backend.annotations import Json
from backend.label_config import EXAMPLE, parse
from backend.loop import Connection
from backend.media.reading import access_of
from backend.pool import Pool
from backend.settings import Settings
from model.encoder import BUNDLED
from model.store import EncoderSpec, Store


def test_encoding_lets_other_projects_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time it stops and says what is left; the pool is complete when nothing is."""
    config = parse(EXAMPLE)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        texts = [{"id": n, "data": {"text": f"Text {n}"}, "annotations": []} for n in range(100)]
        pool.update(texts, config)
    job: Json = {
        **{"folder": str(tmp_path), "config": EXAMPLE, "seed": 0},
        **{"encoder": 0, "spec": asdict(EncoderSpec(("text",), BUNDLED, "", 8))},
        "access": asdict(access_of(Connection("", "", ""), Settings())),
    }
    trainer.add_base_encoder(job, lambda facts: None)
    store, shares = Store(tmp_path), list[float]()
    monkeypatch.setattr(trainer, "TURN_SECONDS", 0.0)

    def report(facts: Json) -> None:
        shares.append(facts["share"])

    assert trainer.embed_pool(job, report) == {"encoder": 0, "tasks": 64, "left": 36}
    assert not store.is_complete(0)
    assert trainer.embed_pool(job, report) == {"encoder": 0, "tasks": 36, "left": 0}
    assert store.is_complete(0)
    assert shares == [0.64, 1.0], "the share of the pool, not of the turn"
