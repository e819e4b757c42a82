"""What is damaged is set aside, said in a sentence, and never mistaken for something else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from model.storage.damage import Damaged
from model.storage.mend import mend
from model.storage.store import HERE, EncoderMeta, Store, write_encoder_meta
from tests.model.test_store import META, add_encoder, head, version

NOW = 1_800_000_000.0
KEY = np.array([5], np.int64)


def add_tuned(store: Store, number: int, weight: float = 1.0) -> Path:
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, replace(META, source=HERE))
        save_file({"weight": np.array([weight], np.float32)}, folder / "model.safetensors")
        (folder / "config.json").write_text("{}")
    return store.encoder_folder(number)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two encoders with a vector each."""
    found = Store(tmp_path)
    add_encoder(found, 0)
    add_tuned(found, 1)
    for number in (0, 1):
        found.vectors(number).append(KEY, np.array([[number, 1.0]]))
        found.mark_ready(number)
    return found


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_what_is_whole_is_left_alone(store: Store) -> None:
    assert mend(store, NOW) == []
    assert list(store.encoders()) == [0, 1]
    assert store.vectors(1).rows(KEY).tolist() == [0]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("meta.json", b""),
        ("meta.json", b'{"source": ".", "base": "b"'),
        ("meta.json", b'{"source": "."}'),
        ("meta.json", b"[]"),
        ("meta.json", b"\xff\xfe"),
        ("meta.json", None),
        ("config.json", b""),
        ("model.safetensors", b""),
        ("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      and then nothing"),
        ("model.safetensors", None),
    ],
)
def test_a_damaged_encoder_is_set_aside_with_its_vectors(
    store: Store, file: str, content: bytes | None
) -> None:
    """An empty meta.json of an encoder that was not even served stopped all learning."""
    path = store.encoder_folder(1) / file
    path.unlink() if content is None else path.write_bytes(content)
    (sentence,) = mend(store, NOW)
    assert sentence.startswith("Encoder 1 was damaged (its ")
    assert file in sentence or "weights are missing" in sentence
    assert "1.damaged-1800000000" in sentence
    assert list(store.encoders()) == [0]
    for kind in ("encoders", "vectors"):
        assert names_in(store.folder / kind) == ["0", "1.damaged-1800000000"]
    assert mend(store, NOW + 1) == [], "it is said once"
    assert store.next_encoder() == 2


def test_weights_that_are_no_numbers_are_damaged(store: Store) -> None:
    add_tuned(store, 2, weight=np.nan)
    (sentence,) = mend(store, NOW)
    assert "not numbers" in sentence
    assert list(store.encoders()) == [0, 1]


def test_the_number_of_a_lost_encoder_is_not_used_again(store: Store) -> None:
    """The next encoder got its number and found its vectors: silently wrong, cosine .60."""
    store.encoder_folder(1).rename(store.folder / "lost")
    assert Store(store.folder).next_encoder() == 2
    (sentence,) = mend(store, NOW)
    assert sentence.startswith("Encoder 1 is missing.")
    assert names_in(store.folder / "vectors") == ["0", "1.damaged-1800000000"]


def test_a_number_is_known_when_all_that_has_it_is_lost(store: Store) -> None:
    for kind in ("encoders", "vectors"):
        (store.folder / kind / "1").rename(store.folder / f"lost {kind}")
    assert store.next_encoder() == 2
    (store.folder / "encoders" / "last").write_text("")
    assert store.next_encoder() == 1, "as well as it can be known"
    store.save_version(version("7.2"))
    assert store.next_encoder() == 8


def test_vectors_of_another_encoder_are_never_taken(store: Store, tmp_path: Path) -> None:
    """A part of a backup that is put back: the numbers fit, the vectors do not."""
    other = Store(tmp_path / "other")
    add_tuned(other, 1)
    store.encoder_folder(1).rename(tmp_path / "old")
    other.encoder_folder(1).rename(store.encoder_folder(1))
    (sentence,) = mend(store, NOW)
    assert sentence.startswith("The vectors of encoder 1 were computed by another encoder.")
    assert store.vectors(1).rows(KEY).tolist() == [-1]
    assert not store.is_ready(1)


def test_a_version_of_another_encoder_is_not_served(store: Store, tmp_path: Path) -> None:
    store.save_version(replace(version("1.1", head()), encoder=1))
    assert store.load_version("1.1").encoder == 1
    store.encoder_folder(1).rename(tmp_path / "old")
    add_tuned(store, 1)
    with pytest.raises(Damaged, match="another encoder 1"):
        store.load_version("1.1")


def test_broken_vectors_are_counted(store: Store) -> None:
    path = store.vectors_folder(1) / "vectors.bin"
    path.write_bytes(np.array([np.nan, 1.0], np.float16).tobytes())
    (sentence,) = mend(store, NOW)
    assert sentence.startswith("1 vectors of encoder 1 were damaged")
    assert store.vectors(1).rows(KEY).tolist() == [-1]
    assert store.vectors(0).rows(KEY).tolist() == [0]


@pytest.mark.parametrize("file", ["meta.json", "head.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{"])
def test_a_damaged_version_is_told_from_a_missing_one(
    tmp_path: Path, file: str, content: bytes
) -> None:
    store = Store(tmp_path)
    store.save_version(version("0.1", head()))
    (store.version_folder("0.1") / file).write_bytes(content)
    with pytest.raises(Damaged, match=file.replace(".", "\\.")):
        store.load_version("0.1")


def test_a_head_that_is_no_numbers_is_damaged(tmp_path: Path) -> None:
    store, its_head = Store(tmp_path), head()
    its_head.weights[0, 0] = np.nan
    store.save_version(version("0.1", its_head))
    with pytest.raises(Damaged, match="not numbers"):
        store.load_version("0.1")


def test_further_facts_of_a_later_release_do_no_harm(tmp_path: Path) -> None:
    """They were a TypeError at each turn."""
    store = Store(tmp_path)
    add_encoder(store, 0)
    path = store.encoder_folder(0) / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "further": 1}))
    assert store.encoders() == {0: META}
    assert mend(store, NOW) == []


def test_what_an_older_release_wrote_stays_valid(tmp_path: Path) -> None:
    """Neither its encoders nor its vectors say who they are."""
    store = Store(tmp_path)
    with store.new_encoder(0) as folder:
        facts = vars(EncoderMeta("b", "b", 16, 2))
        (folder / "meta.json").write_text(
            json.dumps({name: value for name, value in facts.items() if name != "identity"})
        )
    store.vectors(0).append(KEY, np.array([[1.0, 0.0]]))
    assert not (store.vectors_folder(0) / "encoder").exists()
    assert mend(store, NOW) == []
    assert store.vectors(0).rows(KEY).tolist() == [0]
