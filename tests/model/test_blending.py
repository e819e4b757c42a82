"""Weights between the pretrained ones and tuned ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.encoders.blending import blended
from model.encoders.images import ImageEncoder
from model.encoders.joint import JointEncoder
from model.encoders.text import TextEncoder
from model.types import EncoderSpec
from tests.model.test_export import small_encoder
from tests.model.test_image_encoder import res_net, vit


def doubled(encoder: TextEncoder | ImageEncoder, folder: Path) -> Path:
    """The same network with weights that are twice as large."""
    folder.mkdir()
    for weight in encoder.network.parameters():
        weight.data.mul_(2.0)
    encoder.save(folder)
    return folder


def assert_times(encoder: JointEncoder, before: JointEncoder, factor: float) -> None:
    """All learnt weights are this many times the others."""
    theirs = dict(before.network.named_parameters())
    for name, weight in encoder.network.named_parameters():
        torch.testing.assert_close(weight, factor * theirs[name], msg=name)


@pytest.fixture(scope="module")
def small(one_layer: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("small")
    small_encoder("bert", folder, TextEncoder(str(one_layer), 32))
    return str(folder)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_weights_lie_so_far_towards_the_tuned_ones(
    small: str, tmp_path: Path, share: float
) -> None:
    spec = EncoderSpec(("text",), small, "", 32)
    tuned = doubled(TextEncoder(small, 32), tmp_path / "tuned")
    assert_times(blended(spec, tuned, share), JointEncoder(spec), 1.0 + share)


@pytest.mark.parametrize("make", [res_net, vit], ids=["ResNet", "ViT"])
def test_networks_of_pictures_are_blended_too(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Also one that counts its batches, in whole numbers."""
    network = make(tmp_path / "network")
    spec = EncoderSpec(("image",), "", str(network), 32)
    tuned = doubled(ImageEncoder(str(network)), tmp_path / "tuned")
    assert_times(blended(spec, tuned), JointEncoder(spec), 1.5)


def test_a_tuned_network_of_another_size_stays_as_it_is(one_layer: Path, small: str) -> None:
    """The folder that the settings name may hold another network by now."""
    spec = EncoderSpec(("text",), str(one_layer), "", 32)
    kept = blended(spec, Path(small)).network.state_dict()
    for name, weight in TextEncoder(small, 32).network.state_dict().items():
        if not name.startswith("pooler"):  # which is saved with it, but never read
            torch.testing.assert_close(kept[name], weight, rtol=0, atol=0)
