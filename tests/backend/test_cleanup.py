from pathlib import Path

import numpy as np
import pytest

from backend.queue import cleanup
from backend.queue.cleanup import delete_old_files
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta


def test_what_can_be_rolled_back_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "KEPT_VERSIONS", 2)
    store, nothing = Store(tmp_path), np.zeros(0, np.int64)
    for number in range(5):
        with store.new_encoder(number) as folder:
            write_encoder_meta(folder, EncoderMeta("base", "base", 16, 4))
        for refit in (1, 2, 3):
            name = f"{number}.{refit}"
            store.save_version(
                Version(name, number, None, nothing, nothing, nothing, VersionFacts())
            )
    published = ["3.1", "3.3", "4.1", "4.2", "4.3"]
    delete_old_files(store, store.load_version("4.3"), published, "0.2")
    assert list(store.encoders()) == [0, 2, 3, 4], "the pinned one and the newest three"
    assert store.version_names() == ["0.2", "0.3", "2.3", "3.3", "4.2", "4.3"]
