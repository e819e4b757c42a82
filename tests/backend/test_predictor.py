"""Predictions on demand, from vectors that are there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import BackendError
from backend.interface.content import Parts
from backend.interface.objects.text import Text
from backend.interface.preannotations import demand_score
from backend.interface.questions import LabelConfig, Question, Source
from backend.project.predictor import Predictor
from backend.project.status import Served
from backend.project.units import unit_of
from backend.project.versions import SETTLED_BY
from model.heads.head import Head
from model.spans.tags import Tokens
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from tests.backend.test_routes import TEXTS, served_in


def sure_of(folder: Path, probability: float, labels: int) -> Served:
    """A version that gives each of TEXTS its answer with this probability, after some labels."""
    served = served_in(folder)
    assert served.version.head is not None
    logit = np.log(probability / (1.0 - probability))
    head = replace(served.version.head, weights=logit * np.eye(2, dtype=np.float32))
    version = replace(served.version, head=head, training=np.arange(labels))
    return replace(served, version=version)


@pytest.mark.parametrize(
    ("probability", "labels", "is_said"),
    [
        (0.79, 0, False),
        (0.81, 0, True),
        (0.79, SETTLED_BY - 1, False),
        (0.79, SETTLED_BY, True),
    ],
)
def test_the_first_versions_answer_only_what_they_are_sure_of(
    tmp_path: Path, probability: float, labels: int, is_said: bool
) -> None:
    """People follow a wrong suggestion. The score says how sure the model is all the same."""
    served = sure_of(tmp_path, probability, labels)
    made = Predictor(4).predict(served, [{"data": {"text": text}} for text in TEXTS])
    assert [bool(one["result"]) for one in made] == [is_said] * len(TEXTS)
    for one in made:
        assert one["score"] == pytest.approx(demand_score(probability))


def test_words_that_no_encoder_can_read_are_refused_with_a_sentence(tmp_path: Path) -> None:
    served = served_in(tmp_path / "7")
    nowhere = str(tmp_path / "nowhere")
    with served.store.new_encoder(1) as aside:
        write_encoder_meta(aside, EncoderMeta(nowhere, nowhere, 16, 2))
    here = replace(served, version=replace(served.version, encoder=1))
    with pytest.raises(BackendError, match=f"^ENCODER={nowhere} is no text encoder"):
        Predictor(4).words(here, "cats")


NAN = float("nan")
MARKED = Question("c", "t", "spans", ("x",))


def test_a_text_that_the_encoder_has_no_numbers_for_gets_no_answer(tmp_path: Path) -> None:
    """The request was answered with error 500, for all of its tasks."""
    served = served_in(tmp_path)
    unit, head = unit_of(served.store, served.config), served.version.head
    assert head is not None
    shown: dict[int, Parts] = {4: ("new",), 5: ("overflows",), 6: (TEXTS[0],)}
    vectors = np.array([[0.0, 1.0], [NAN, NAN]], dtype=np.float32)
    for _ in range(2):
        said = unit.predict(served.version, head, shown, lambda texts: vectors[-len(texts) :])
        assert sorted(said) == [4, 6]


@pytest.mark.parametrize("has_room", [True, False])
def test_a_text_with_tokens_that_are_no_numbers_gets_no_answer(
    tmp_path: Path, has_room: bool
) -> None:
    """Nor does it on a full disk, where nothing is kept."""
    store, config = Store(tmp_path), LabelConfig((MARKED,), (Source(Text(), "$text"),))
    with store.new_encoder(0) as aside:
        write_encoder_meta(aside, EncoderMeta("tuned", "base", 16, 2, layout=("tokens",)))
    if not has_room:
        (store.vectors_folder(0) / "lock").mkdir(parents=True)
    head = Head("single", ("O", "B-x", "I-x"), np.eye(2, 3), np.zeros(3), np.zeros(2))
    nothing = np.zeros(0, dtype=np.int64)
    version = Version("0.1", 0, head, nothing, nothing, nothing, VersionFacts())
    states = np.array([[0.0, NAN], [0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    tokens = Tokens(states, np.array([[0, 3], [4, 8], [0, 3]]), np.array([0, 2, 3]))
    said = unit_of(store, config).predict(
        version, head, {4: ("bad text",), 5: ("new",)}, lambda _: tokens
    )
    ((place, (regions, _)),) = said.items()
    assert (place, len(regions)) == (5, 1)
