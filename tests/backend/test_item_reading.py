"""Pictures of a dataset are fetched, encoded, and named where they cannot be read."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

from backend.dataset.adding import add
from backend.dataset.broken import read_broken
from backend.dataset.record import forget_readings, reading_of, vectors_of
from backend.errors import BackendError
from backend.interface.parse import parse
from backend.media.record import ReadingRecord
from backend.settings import Settings
from backend.trainer.encoders import add_base_encoder
from backend.trainer.item_reading import ENDED_THE_PROCESS
from backend.trainer.items import encode_items
from backend.trainer.messages import AddBase, EncodeItems, Subject
from model.dataset.parts import VectorParts
from model.encoders.sounds import SoundEncoder
from model.storage.store import Store
from model.types import EncoderSpec
from tests.backend.test_trainer import IGNORE, subject_of
from tests.backend.web import Answer, Web
from tests.model.test_sound_encoder import wav2vec2
from tests.model.test_sounds import write_video

COUNT = 12
XML = (
    '<View><Image name="i" value="$image"/><Choices name="c" toName="i">'
    '<Choice value="light"/><Choice value="dark"/></Choices></View>'
)


def picture(light: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (24, 24), (light, light, light)).save(file, "PNG")
    return file.getvalue()


class Busy:
    """Refuses the first requests for a picture, so many of them."""

    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self, handler: Any) -> None:
        self._left -= 1
        (Answer(status=503) if self._left >= 0 else Answer(picture(128)))(handler)


@pytest.fixture
def files() -> Iterator[Web]:
    web = Web()
    web.answers |= {f"/{n}.png": Answer(picture(20 * n)) for n in range(COUNT)}
    yield web
    web.close()


@pytest.fixture
def subject(tmp_path: Path, files: Web) -> Subject:
    """A project with a tiny network and a dataset of pictures."""
    network = tmp_path / "network"
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])
    ResNetModel(config).save_pretrained(network)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(network)
    dataset = tmp_path / "pictures.csv"
    rows = [f"{n},{files.url}/{n}.png\n" for n in range(COUNT)]
    dataset.write_text("id,image\n" + "".join(rows))
    folder = tmp_path / "7"
    folder.mkdir()
    spec = EncoderSpec(("image",), "", str(network), 32)
    settings = Settings(model_dir=tmp_path, media_hosts=files.host)
    subject = subject_of(folder, XML, spec, settings)
    add(folder, str(dataset), "id", parse(XML))
    add_base_encoder(AddBase(subject), IGNORE)
    return subject


def encoded(subject: Subject) -> tuple[list[int], str]:
    """Encode the dataset: the places that have a vector, and what is said of the others."""
    encode_items(EncodeItems(subject, 0, None), IGNORE)
    parts = VectorParts(
        vectors_of(subject.folder, 0), Store(subject.folder).encoders()[0].dimension
    )
    vectors = parts.read(0)
    assert vectors is not None
    return np.flatnonzero(np.isfinite(vectors).all(axis=1)).tolist(), read_broken(
        subject.folder, 0
    ).sentence


def test_what_cannot_be_read_is_named_and_what_may_pass_is_tried_again(
    subject: Subject, files: Web
) -> None:
    del files.answers["/3.png"]
    files.answers["/5.png"] = Answer(b"no picture")
    files.answers["/8.png"] = Busy(1)
    found, trouble = encoded(subject)
    assert found == [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]
    assert trouble.startswith("2 items of the dataset cannot be encoded, such as '3': ")
    assert "404" in trouble
    assert not list(reading_of(subject.folder).iterdir())


def test_a_server_that_is_down_costs_no_item_its_vector(subject: Subject, files: Web) -> None:
    answers = files.answers.copy()
    files.answers |= dict.fromkeys(answers, Answer(status=503))
    with pytest.raises(BackendError, match=r"12 of 12 items .* cannot be read at the moment"):
        encoded(subject)
    files.answers |= answers
    assert encoded(subject) == (list(range(COUNT)), "")


def died_reading(subject: Subject, place: int) -> None:
    """Memory ran out while it read this item, which counts like an end of the process."""
    folder = reading_of(subject.folder, 0)
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(MemoryError), ReadingRecord(folder, lambda: None).naming([place]):
        raise MemoryError


def test_what_ended_the_process_twice_is_left_out(subject: Subject, files: Web) -> None:
    for _ in range(2):
        died_reading(subject, 4)
    found, trouble = encoded(subject)
    assert found == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert trouble.startswith(
        f"1 item of the dataset cannot be encoded, such as '4': {ENDED_THE_PROCESS}"
    )
    assert "/4.png" not in files.paths()


def test_a_process_that_was_ended_on_purpose_blames_nothing(subject: Subject) -> None:
    for _ in range(2):
        died_reading(subject, 4)
        forget_readings(subject.folder)
    assert encoded(subject)[0] == list(range(COUNT))


def test_the_sound_of_a_clip_is_read_beside_its_frames(
    subject: Subject, files: Web, tmp_path: Path
) -> None:
    """A clip that has none is as one that is silent, and no file is fetched twice for it."""
    xml = XML.replace("Image", "Video").replace("$image", "$clip")
    rows = []
    for name, pitch in (("low", 220.0), ("high", 1760.0), ("mute", 0.0)):
        clip = write_video(tmp_path / f"{name}.mp4", sound=pitch > 0, pitch=pitch)
        files.answers[f"/{clip.name}"] = Answer(clip.read_bytes())
        rows.append(f"{name},{files.url}/{clip.name}\n")
    (tmp_path / "clips.csv").write_text("id,clip\n" + "".join(rows))
    folder = tmp_path / "8"
    folder.mkdir()
    sounds = str(wav2vec2(tmp_path / "sounds"))
    spec = EncoderSpec(("video", "track"), "", subject.spec.image, 32, sounds)
    settings = Settings(model_dir=tmp_path, media_hosts=files.host)
    clips = replace(subject_of(folder, xml, spec, settings), ignored=())
    add(folder, str(tmp_path / "clips.csv"), "id", clips.config)
    add_base_encoder(AddBase(clips), IGNORE)

    assert encoded(clips) == ([0, 1, 2], "")
    dimension = Store(folder).encoders()[0].dimension
    read = VectorParts(vectors_of(folder, 0), dimension).read(0)
    assert read is not None
    frames, track = np.split(read.astype(float), [2 * 24], axis=1)
    np.testing.assert_allclose(frames, frames[[0, 0, 0]], atol=2e-3)
    silence = SoundEncoder(sounds).read(np.zeros(0, np.float32)) / np.sqrt(2)
    np.testing.assert_allclose(track[2], silence[0], atol=2e-3)
    assert np.linalg.norm(track[0] - track[1]) > 0.01, "another tone is another sound"
    assert sorted(one.path for one in files.seen) == ["/high.mp4", "/low.mp4", "/mute.mp4"]
