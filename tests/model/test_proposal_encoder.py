"""Tiny detectors of random weights, and one of shapes that is trained for a few seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    ConditionalDetrConfig,
    ConditionalDetrForObjectDetection,
    ConditionalDetrImageProcessorPil,
    DeformableDetrConfig,
    DeformableDetrForObjectDetection,
    DeformableDetrImageProcessorPil,
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessorPil,
    ResNetConfig,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessorPil,
)

from model.boxes.geometry import Box, overlaps
from model.encoders.detector_tuning import DrawnPictures, precision_of, tune_detector
from model.encoders.errors import NotAnEncoder
from model.encoders.joint import JointEncoder
from model.encoders.proposals import (
    DOUBLES,
    MOST_PROPOSALS,
    NO_QUERIES,
    ProposalEncoder,
    _why_not,
)
from model.media.pictures import Page, read_page
from model.types import EncoderSpec
from tests.model.shapes import KINDS, SIDE, detector, picture
from tests.model.test_image_encoder import res_net

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = {"height": 64, "width": 64}
SMALL: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "num_queries": 50,
    "num_labels": 3,
}


def back_bone() -> ResNetConfig:
    return ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 16, 24],
        depths=[1, 1, 1, 1],
        out_features=["stage2", "stage3", "stage4"],  # type: ignore[call-arg]
    )


def detr(folder: Path) -> Path:
    config = DetrConfig(backbone_config=back_bone(), **SMALL)
    DetrForObjectDetection(config).save_pretrained(folder)
    DetrImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def conditional(folder: Path) -> Path:
    config = ConditionalDetrConfig(backbone_config=back_bone(), **SMALL)
    ConditionalDetrForObjectDetection(config).save_pretrained(folder)
    ConditionalDetrImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def deformable(folder: Path) -> Path:
    config = DeformableDetrConfig(
        backbone_config=back_bone(),
        num_feature_levels=3,
        with_box_refine=True,
        **{**SMALL, "decoder_layers": 2},
    )
    DeformableDetrForObjectDetection(config).save_pretrained(folder)
    DeformableDetrImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def yolos(folder: Path) -> Path:
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=50,
        num_labels=3,  # type: ignore[call-arg]
    )
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def rt_detr(folder: Path) -> Path:
    return detector(folder, KINDS[:3], 0)


MAKERS = (detr, conditional, deformable, yolos, rt_detr)


def pages(first: int, count: int) -> list[Page]:
    return [Page(picture(first + number)[0], SIDE, SIDE, number) for number in range(count)]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_every_kind_of_detector_proposes_boxes(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    encoder = ProposalEncoder(str(make(tmp_path)))
    found = encoder.encode([pages(0, 1), pages(5, 2)])
    assert len(found) == 2
    assert len(encoder.things) == found.scores.shape[1] == 3
    assert found.states.shape == (len(found.boxes), encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(found.states.astype(float), axis=1), 1.0, atol=1e-2)
    assert ((found.boxes >= 0) & (found.boxes[:, :2].repeat(2, axis=1) + found.boxes <= 2)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert found.example(1).pages[:, 0].tolist() == sorted(found.example(1).pages[:, 0].tolist())
    assert set(found.example(1).pages[:, 0].tolist()) == {0, 1}
    first = found.example(0)
    assert 1 <= len(first.boxes) <= MOST_PROPOSALS
    shared = overlaps(first.boxes, first.boxes) - np.eye(len(first.boxes))
    assert shared.max() <= DOUBLES + 1e-6
    alone = encoder.encode([pages(0, 1)])
    np.testing.assert_array_equal(alone.states, first.states)


@pytest.mark.parametrize("make", [detr, yolos, rt_detr], ids=lambda make: make.__name__)
def test_a_class_head_for_other_labels_keeps_what_is_known(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    encoder = ProposalEncoder(str(make(tmp_path / "first")))
    known = encoder.things[1]
    before = {
        name: weight.clone()
        for name, weight in encoder.network.state_dict().items()
        if weight.shape[:1] in ((3,), (4,)) and "class" in name
    }
    encoder.ask_for(["Nothing known", known.upper()])
    assert encoder.things == ("Nothing known", known.upper())
    after = encoder.network.state_dict()
    assert before
    for name, weight in before.items():
        assert len(after[name]) == len(weight) - 1
        torch.testing.assert_close(after[name][1], weight[1])
    encoder.save(tmp_path)
    again = ProposalEncoder(str(tmp_path))
    assert again.things == encoder.things
    first, second = (one.encode([pages(0, 1)]) for one in (encoder, again))
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_with_as_many_labels_as_before_each_keeps_its_own_weights(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    """And the weights that say where a box lies are no weights of labels, though they are four."""
    torch.manual_seed(1)
    encoder = ProposalEncoder(str(make(tmp_path)))
    first, _, third = encoder.things
    before = {name: one.clone() for name, one in encoder.network.state_dict().items()}
    head = encoder.ask_for([third, "Nothing known", first])
    assert encoder.things == (third, "Nothing known", first)
    assert encoder.network.config.label2id == {third: 0, "Nothing known": 1, first: 2}
    after = encoder.network.state_dict()
    assert head
    for name, weight in before.items():
        if name not in head:
            torch.testing.assert_close(after[name], weight)
            continue
        torch.testing.assert_close(after[name][[0, 2]], weight[[2, 0]])
        torch.testing.assert_close(after[name][3:], weight[3:])
        assert weight.ndim == 1 or not torch.equal(after[name][1], weight[1])
    assert not any("box" in name for name in head)


def test_things_of_the_same_name_do_not_hide_the_others(tmp_path: Path) -> None:
    """Detectors of COCO call the numbers that it left out all `N/A`."""
    DetrForObjectDetection(
        DetrConfig(
            backbone_config=back_bone(),
            **{**SMALL, "id2label": {0: "N/A", 1: "cat", 2: "N/A"}, "num_labels": 3},
        )
    ).save_pretrained(tmp_path)
    DetrImageProcessorPil(size=SIZE).save_pretrained(tmp_path)
    encoder = ProposalEncoder(str(tmp_path))
    before = encoder.network.class_labels_classifier.weight.clone()
    encoder.ask_for(["Cat", "Dog"])
    after = encoder.network.class_labels_classifier.weight
    torch.testing.assert_close(after[[0, 2]], before[[1, 3]])


def test_what_is_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEncoder, match="nowhere is no detection encoder: it must be a folder"):
        ProposalEncoder(str(tmp_path / "nowhere"))
    with pytest.raises(NotAnEncoder, match="a transformers model for object detection"):
        ProposalEncoder(str(res_net(tmp_path)))
    assert "choose one with queries" in NO_QUERIES


def test_a_library_that_is_missing_is_named() -> None:
    error = ImportError("TimmBackbone requires the timm library but it was not found")
    assert "It needs timm, which the backend does not have" in _why_not(error)


def test_a_page_knows_its_size_and_stays_large(tmp_path: Path) -> None:
    """Turned as its EXIF says, and not as small as where a picture is read as a whole."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 1000)).save(tmp_path / "turned.jpg", exif=exif)
    page = read_page(tmp_path / "turned.jpg", 2)
    assert (page.width, page.height, page.number) == (1000, 1600, 2)
    assert page.picture.size == (800, 1280)


def test_a_joint_encoder_of_proposals_gives_proposals(tmp_path: Path) -> None:
    spec = EncoderSpec(("proposals",), "", str(rt_detr(tmp_path / "first")), 8)
    encoder = JointEncoder(spec)
    assert encoder.things == KINDS[:3]
    assert encoder.is_tunable
    found: Any = encoder.encode([(pages(0, 1),), (pages(1, 1),)])
    assert len(found) == 2
    (tmp_path / "saved").mkdir()
    encoder.save(tmp_path / "saved")
    again: Any = JointEncoder(spec, tmp_path / "saved").encode([(pages(0, 1),), (pages(1, 1),)])
    np.testing.assert_array_equal(found.boxes, again.boxes)


@pytest.mark.slow
def test_a_detector_learns_shapes_that_it_has_never_seen(shape_detector: Path) -> None:
    encoder = ProposalEncoder(str(shape_detector))
    made = [picture(number, KINDS[:2]) for number in range(60)]

    def drawn(rows: range) -> DrawnPictures:
        def read(row: int) -> list[Page]:
            return [Page(made[rows[row]][0], SIDE, SIDE)]

        return DrawnPictures(read, [made[row][1] for row in rows])

    shares: list[float] = []
    report = tune_detector(
        encoder,
        drawn(range(40)),
        drawn(range(40, 60)),
        KINDS[:2],
        seed=0,
        advanced=shares.append,
        steps=120,
    )
    assert shares[-1] == report.steps / 120
    assert encoder.things == KINDS[:2]
    reached = precision_of(encoder, drawn(range(40, 60)), KINDS[:2])
    assert reached == pytest.approx(report.best)
    assert reached is not None
    assert reached > 0.3


def test_tuning_needs_a_picture(tmp_path: Path) -> None:
    encoder = ProposalEncoder(str(rt_detr(tmp_path)))
    none = DrawnPictures(lambda row: [], [])
    with pytest.raises(ValueError, match="at least one picture"):
        tune_detector(encoder, none, none, KINDS, seed=0)


def test_pictures_in_which_nobody_drew_anything_are_learnt(tmp_path: Path) -> None:
    encoder = ProposalEncoder(str(rt_detr(tmp_path)))
    boxes: list[list[Box]] = [[], picture(1, KINDS[:3])[1]]
    shown = DrawnPictures(lambda row: [Page(picture(row, KINDS[:3])[0], SIDE, SIDE)], boxes)
    report = tune_detector(
        encoder, shown, DrawnPictures(shown.read, []), KINDS[:3], seed=0, steps=2
    )
    assert (report.steps, report.best) == (2, None)
