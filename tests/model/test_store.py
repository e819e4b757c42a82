import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import (
    HERE,
    EncoderMeta,
    Store,
    Version,
    version_key,
    write_encoder_meta,
)
from model.types import Kind

META = EncoderMeta(source="some/encoder", base="some/encoder", max_tokens=32, dimension=2)


def head(kind: Kind = "single") -> Head:
    weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    return Head(
        kind,
        ("yes", "no", "vielleicht \u00fc"),
        weights,
        np.array([0.1, 0.2, 0.3], np.float32),
        np.array([0.5, -0.5], np.float32),
    )


def version(name: str, its_head: Head | None = None) -> Version:
    return Version(
        name=name,
        encoder=0,
        head=its_head,
        training=np.array([11, 12], np.int64),
        validation=np.array([13], np.int64),
        shortlist=np.array([9, 7, 2**40], np.int64),
        facts=VersionFacts(strategy="margin", seconds=0.25, labels=17),
    )


def add_encoder(store: Store, number: int, meta: EncoderMeta = META) -> None:
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, meta)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_a_version_with_a_head_comes_back_whole(tmp_path: Path, kind: Kind) -> None:
    saved = version("0.1", head(kind))
    Store(tmp_path).save_version(saved)
    loaded = Store(tmp_path).load_version("0.1")
    assert loaded.head is not None
    assert saved.head is not None
    assert (loaded.head.kind, loaded.head.labels) == (kind, saved.head.labels)
    # The names of the labels once took the place of their number.
    assert loaded.facts.labels == 17
    np.testing.assert_array_equal(loaded.head.weights, saved.head.weights)
    np.testing.assert_array_equal(loaded.head.bias, saved.head.bias)
    np.testing.assert_array_equal(loaded.head.centre, saved.head.centre)
    assert (loaded.name, loaded.encoder) == ("0.1", 0)
    assert loaded.training.tolist() == [11, 12]
    assert loaded.validation.tolist() == [13]
    assert loaded.shortlist.tolist() == [9, 7, 2**40]
    assert loaded.facts == saved.facts


def test_what_people_picked_comes_back_with_a_version(tmp_path: Path) -> None:
    facts = VersionFacts(
        picked_first=2, picked_labels=3, why=("picked", "picked", "model"), few={"no": 1}
    )
    Store(tmp_path).save_version(replace(version("0.1"), facts=facts))
    assert Store(tmp_path).load_version("0.1").facts == facts


def test_of_an_earlier_version_it_is_not_known_why_its_tasks_were_asked_for() -> None:
    known = VersionFacts(labels=17).to_json()
    for name in ("picked_first", "picked_labels", "why", "few"):
        del known[name]
    assert VersionFacts.from_json(known) == VersionFacts(labels=17)


def test_a_version_before_any_label_comes_back_without_a_head(tmp_path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    saved = replace(version("0.1"), training=nothing, validation=nothing)
    Store(tmp_path).save_version(saved)
    loaded = Store(tmp_path).load_version("0.1")
    assert loaded.head is None
    assert loaded.training.tolist() == loaded.validation.tolist() == []
    assert loaded.shortlist.tolist() == [9, 7, 2**40]


def test_a_head_in_another_memory_order_comes_back_in_its_own(tmp_path: Path) -> None:
    """safetensors writes raw memory: a transposed array would come back scrambled."""
    turned = replace(head(), weights=np.asfortranarray(head().weights))
    Store(tmp_path).save_version(version("0.1", turned))
    loaded = Store(tmp_path).load_version("0.1").head
    assert loaded is not None
    np.testing.assert_array_equal(loaded.weights, head().weights)


def test_versions_are_listed_by_number_and_not_by_letter(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("0.10", "1.1", "0.9", "10.1", "2.3"):
        store.save_version(version(name))
    assert store.version_names() == ["0.9", "0.10", "1.1", "2.3", "10.1"]


def test_what_is_no_version_is_not_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("0.1.unfinished", "notes", "1", "1.2.3"):
        (tmp_path / "versions" / name).mkdir()
    assert store.version_names() == []


def test_a_missing_version_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="versions/4\\.2"):
        Store(tmp_path).load_version("4.2")


def test_a_deleted_version_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_version(version("0.1"))
    store.save_version(version("0.2"))
    store.delete_version("0.1")
    store.delete_version("7.7")
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["0.2"]


@pytest.mark.parametrize("name", ["", "3", "3.", "v3.1", "3.1.2", "3.1\n", "3.1.unfinished"])
def test_a_version_name_is_two_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=r"versions read like 3\.12"):
        version_key(name)


def test_version_keys_sort_as_numbers() -> None:
    assert version_key("0.10") > version_key("0.9")
    assert version_key("10.1") > version_key("9.99")


def test_an_encoder_comes_back_with_its_facts(tmp_path: Path) -> None:
    tuned = EncoderMeta(HERE, "some/encoder", 32, 2, labels=20, report={"steps": 60})
    store = Store(tmp_path)
    add_encoder(store, 10, tuned)
    add_encoder(store, 9)
    assert list(Store(tmp_path).encoders().items()) == [(9, META), (10, tuned)]


def test_the_weights_of_a_tuned_encoder_stand_in_its_own_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add_encoder(store, 0)
    add_encoder(store, 1, replace(META, source=HERE))
    assert store.tuned_folder(0) is None
    folder = store.tuned_folder(1)
    assert folder is not None
    assert json.loads((folder / "meta.json").read_text())["source"] == HERE


class Crash(Exception):
    """Simulates a process that ends between writing aside and renaming."""


def crash_while_writing(store: Store, number: int) -> None:
    with store.new_encoder(number) as folder:
        write_encoder_meta(folder, META)
        (folder / "model.safetensors").write_bytes(b"half")
        raise Crash


def test_a_crash_leaves_no_encoder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Crash):
        crash_while_writing(store, 0)
    assert Store(tmp_path).encoders() == {}


def test_an_encoder_is_not_seen_before_it_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.new_encoder(0) as folder:
        write_encoder_meta(folder, META)
        assert store.encoders() == {}
    assert store.encoders() == {0: META}


def test_writing_again_after_a_crash_starts_from_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Crash):
        crash_while_writing(store, 0)
    add_encoder(store, 0)
    own = tmp_path / "encoders" / "0"
    assert [path.name for path in own.iterdir()] == ["meta.json"]


def test_leftovers_of_a_crash_are_cleared_and_the_rest_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add_encoder(store, 0)
    store.save_version(version("0.1", head()))
    with pytest.raises(Crash):
        crash_while_writing(store, 1)
    (tmp_path / "versions" / "0.2.unfinished").mkdir()
    Store(tmp_path).clear_unfinished()
    assert not list(tmp_path.rglob("*.unfinished"))
    assert store.encoders() == {0: META}
    assert store.version_names() == ["0.1"]


def test_vectors_of_two_encoders_are_kept_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add_encoder(store, 0)
    add_encoder(store, 1, replace(META, dimension=3))
    key = np.array([5], np.int64)
    store.vectors(0).append(key, np.array([[1.0, 2.0]]))
    store.vectors(1).append(key, np.array([[3.0, 4.0, 5.0]]))
    for number, expected in ((0, [[1.0, 2.0]]), (1, [[3.0, 4.0, 5.0]])):
        vectors = Store(tmp_path).vectors(number)
        assert vectors.take(vectors.rows(key)).tolist() == expected


def test_complete_is_remembered_for_each_encoder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (0, 1):
        add_encoder(store, number)
        store.vectors(number)
    store.mark_ready(1)
    assert [Store(tmp_path).is_ready(number) for number in (0, 1, 2)] == [False, True, False]


def test_a_deleted_encoder_takes_its_vectors_along(tmp_path: Path) -> None:
    """A later encoder of the same number would otherwise find vectors that are not its own."""
    store = Store(tmp_path)
    key = np.array([5], np.int64)
    add_encoder(store, 0)
    store.vectors(0).append(key, np.array([[1.0, 2.0]]))
    store.mark_ready(0)
    store.delete_encoder(0)
    add_encoder(store, 0)
    assert store.vectors(0).rows(key).tolist() == [-1]
    assert not store.is_ready(0)


def test_a_leftover_does_not_block_a_deletion(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_version(version("0.1"))
    (tmp_path / "versions" / "0.1.unfinished").mkdir()
    (tmp_path / "versions" / "0.1.unfinished" / "half").touch()
    store.delete_version("0.1")
    assert store.version_names() == []


def test_frames_stay_as_long_as_an_encoder_has_their_network(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number, name in enumerate(["small", "small", "large"]):
        with store.new_encoder(number) as folder:
            write_encoder_meta(folder, replace(META, image_base=name, layout=("video",)))
    for name in ("small", "large"):
        store.frozen("video", name, 2).append(np.array([5]), [np.ones((3, 2), np.float16)])
    store.delete_encoder(0)
    assert store.frozen("video", "small", 2).rows(np.array([5])).tolist() == [0]
    store.delete_encoder(1)
    assert store.frozen("video", "small", 2).rows(np.array([5])).tolist() == [-1]
    assert store.frozen("video", "large", 2).rows(np.array([5])).tolist() == [0]
