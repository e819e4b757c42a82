"""What labels are called, as the encoder reads it, and where its vectors are found."""

from pathlib import Path

import numpy as np
import pytest

from backend.interface import names
from backend.interface.controls.control import Called
from backend.interface.names import keys_of, names_of, spoken_name, unnamed
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.image import Image
from backend.interface.objects.object_tag import ObjectTag
from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.project.name_vectors import name_vectors, rows_of
from model.storage.store import EncoderMeta, Store, write_encoder_meta
from model.storage.vectors import content_key

CALLED = {
    "good": Called(("Very_good",), "Praise without a but!"),
    "7": Called(("7",)),
    "bad": Called(("Bad",)),
}


def asking(*kinds: ObjectTag) -> LabelConfig:
    sources = tuple(Source(kind, f"${kind.kind}") for kind in kinds)
    return LabelConfig((Question("c", "t", "single", tuple(CALLED), called=CALLED),), sources)


@pytest.mark.parametrize(
    ("called", "text"),
    [
        (Called(("Very_good",)), "very good"),
        (Called(("B2", "HairCare"), "For the head"), "b2: hair care: for the head"),
        (Called(("1", "Hair care")), "hair care"),
        (Called(("7",), "a lucky number"), "a lucky number"),
        (Called(("Beauty", "7")), ""),
        (Called(("--",), "?"), ""),
    ],
)
def test_a_name_is_read_as_words(called: Called, text: str) -> None:
    """A node that only its parent gives a name would be taken for it."""
    assert spoken_name(called) == text


def test_a_name_is_an_example_that_shows_nothing_else() -> None:
    assert names_of(asking(Text())) == {
        "good": ("very good: praise without a but",),
        "bad": ("bad",),
    }
    beside_a_picture = names_of(asking(Image(), HyperText()))
    assert beside_a_picture["bad"] == ("bad", None)
    assert names_of(asking(Image())) == {}, "nothing there that words can be compared with"
    assert keys_of(names_of(asking(Text())).values())[1] == content_key("bad")


def test_names_that_say_nothing_are_known() -> None:
    assert unnamed(asking(Text())) == ["7"]
    assert unnamed(asking(Image())) == [], "no name is read there"
    assert unnamed(asking(Text()).nameless()) == []


def test_vectors_stand_in_the_order_of_the_labels(tmp_path: Path) -> None:
    store, config = Store(tmp_path), asking(Text())
    with store.new_encoder(0) as folder:
        write_encoder_meta(folder, EncoderMeta("none", "none", 16, 2))
    assert name_vectors(store, 0, config) is None
    store.vectors(0).append(np.array([content_key("bad")]), np.array([[0.0, 1.0]], np.float32))
    assert rows_of(store, 0, config) == {"bad": 0}
    vectors = name_vectors(store, 0, config)
    assert vectors is not None
    assert vectors.tolist() == [[0, 0], [0, 0], [0, 1]]
    assert name_vectors(store, 0, config.of_labels(["good", "7"])) is None
    assert name_vectors(store, 0, config.nameless()) is None


def test_of_very_many_labels_the_first_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_NAMES", 1)
    assert [*names_of(asking(Text()))] == ["good"]
