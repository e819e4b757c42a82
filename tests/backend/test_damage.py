"""Damaged files of a project: each is said once, and what is whole goes on."""

from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import UnknownVersion
from backend.folder.damage import mended
from backend.interface.parse import EXAMPLE, parse
from backend.mirror import review
from backend.mirror.pool import PINNED, Pool
from backend.project.pin import pinned_version
from backend.project.published import last_published
from backend.project.versions import version_of, versions_of
from model.storage.store import Store
from tests.model.test_store import add_encoder, head, version

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two versions that were published, the newer one damaged."""
    found = Store(tmp_path)
    add_encoder(found, 0)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        for number, name in enumerate(("0.1", "0.2")):
            found.save_version(version(name, head()))
            pool.add_published(name, float(number))
    (found.version_folder("0.2") / "head.safetensors").write_bytes(b"half")
    return found


@pytest.mark.parametrize("name", ["review.json", "compared.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe half"])
def test_a_damaged_file_is_set_aside_and_made_again(
    store: Store, name: str, content: bytes
) -> None:
    """Each failed every turn, after the order was written, and the first one the page, too."""
    (store.folder / name).write_bytes(content)
    assert review.read(store.folder) == {}
    (sentence,) = mended(store, NOW)
    assert sentence.startswith(f"The file {name} was damaged")
    assert [path.name for path in store.folder.glob(f"{name}*")] == [f"{name}.damaged-1800000000"]
    assert mended(store, NOW) == []


def test_the_version_before_a_damaged_one_is_served(store: Store) -> None:
    said: list[str] = []
    with closing(Pool(store.folder / "pool.sqlite")) as pool:
        for _ in range(2):
            found = last_published(pool, store, parse(EXAMPLE), said.append)
            assert found is not None and found.name == "0.1"
    (sentence,) = said
    assert sentence.startswith("Version 0.2 was damaged (its head.safetensors is cut off")
    assert store.version_names() == ["0.1"]


def made_by_a_later_release(store: Store, name: str) -> Path:
    """A version of which nothing but the format's number is as this release writes it."""
    store.save_version(version(name, head()))
    path = store.version_folder(name) / "meta.json"
    path.write_text('{"format": 99}')
    return path


def test_a_version_of_a_later_release_is_left_alone(store: Store) -> None:
    path = made_by_a_later_release(store, "0.3")
    said: list[str] = []
    with closing(Pool(store.folder / "pool.sqlite")) as pool:
        pool.add_published("0.3", 3.0)
        found = last_published(pool, store, parse(EXAMPLE), said.append)
    assert found is not None and found.name == "0.1"
    assert said[0].startswith("Version 0.3 cannot be read: it has format 99")
    assert path.exists()


def test_a_list_of_versions_leaves_a_damaged_one_out_and_says_so(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """One of them was a traceback in place of the whole list."""
    assert [one.name for one in versions_of(store)] == ["0.1"]
    assert "Version 0.2 is damaged" in caplog.text


def test_a_version_of_a_later_release_can_be_neither_listed_nor_pinned(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """After a return to an older release the list was a traceback, and with a pin to such a version
    each turn failed."""
    made_by_a_later_release(store, "0.3")
    assert [one.name for one in versions_of(store)] == ["0.1"]
    assert "Version 0.3 cannot be read: it has format 99" in caplog.text
    with pytest.raises(UnknownVersion, match="a later release wrote it"):
        version_of(store, "0.3")
    with closing(Pool(store.folder / "pool.sqlite")) as pool:
        pool.remember(PINNED, "0.3")
        assert pinned_version(pool, store, parse(EXAMPLE)) is None
    assert "the pin does not hold: Version 0.3 cannot be read" in caplog.text
