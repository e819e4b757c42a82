"""Tiny networks of random weights; a trained one comes with some checkouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import (
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    EfficientNetConfig,
    EfficientNetImageProcessorPil,
    EfficientNetModel,
    MobileNetV2Config,
    MobileNetV2Model,
    PreTrainedModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from model.encoders.errors import NotAnEncoder
from model.encoders.images import BATCH, ImageEncoder, _mean_or_first
from model.encoders.text import BUNDLED, resolve

LITE = Path(__file__).parents[3] / "shared" / "models" / "efficientnet-lite0-hf"
SIDE = {"height": 32, "width": 32}

pytestmark = pytest.mark.usefixtures("one_thread")


def saved(network: PreTrainedModel, folder: Path) -> None:
    """Save it with batch statistics that let a signal through; those of a new network do not."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(pixel_values=torch.randn(32, 3, 32, 32))
    network.save_pretrained(folder)


def efficient_net(folder: Path) -> Path:
    config = EfficientNetConfig(
        width_coefficient=0.25, depth_coefficient=0.5, hidden_dim=320, image_size=32
    )
    saved(EfficientNetModel(config), folder)
    EfficientNetImageProcessorPil(size=SIDE).save_pretrained(folder)
    return folder


def res_net(folder: Path) -> Path:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1])
    saved(ResNetModel(config), folder)
    ViTImageProcessorPil(size=SIDE).save_pretrained(folder)
    return folder


def mobile_net(folder: Path) -> Path:
    saved(MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.25)), folder)
    ViTImageProcessorPil(size=SIDE).save_pretrained(folder)
    return folder


def vit(folder: Path) -> Path:
    """As classifiers are published: without the pooler that AutoModel would add to it."""
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size=SIDE).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    config = CLIPConfig(
        vision_config={
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    )
    CLIPModel(config).save_pretrained(folder)
    square = {"shortest_edge": 32}
    CLIPImageProcessorPil(size=square, crop_size=SIDE).save_pretrained(folder)
    return folder


def dinov2(folder: Path) -> Path:
    """The family of the default IMAGE_ENCODER."""
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=8
    )
    Dinov2Model(config).save_pretrained(folder)
    square = {"shortest_edge": 32}
    BitImageProcessorPil(size=square, crop_size=SIDE).save_pretrained(folder)
    return folder


FAMILIES = [
    pytest.param(efficient_net, 320, id="EfficientNet"),
    pytest.param(res_net, 24, id="ResNet"),
    pytest.param(mobile_net, 1280, id="MobileNet"),
    pytest.param(vit, 24, id="ViT"),
    pytest.param(clip, 24, id="CLIP"),
    pytest.param(dinov2, 24, id="DINOv2"),
]


def noise(number: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 255, (20 + row % 3, 30, 3), dtype=np.uint8))
        for row in range(number)
    ]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ImageEncoder:
    return ImageEncoder(str(efficient_net(tmp_path_factory.mktemp("efficient-net"))))


@pytest.mark.parametrize(("build", "dimension"), FAMILIES)
def test_every_family_gives_the_same_vectors_when_saved_and_loaded(
    tmp_path: Path, build: Callable[[Path], Path], dimension: int
) -> None:
    """AutoModel gives a ViT without pooler a random one, different each time."""
    source = str(build(tmp_path / "source"))
    encoder = ImageEncoder(source)
    pictures = noise(3)
    vectors = encoder.encode(pictures)
    assert encoder.dimension == dimension
    assert vectors.shape == (3, dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    np.testing.assert_array_equal(ImageEncoder(source).encode(pictures), vectors)
    encoder.save(tmp_path / "saved")
    np.testing.assert_array_equal(ImageEncoder(str(tmp_path / "saved")).encode(pictures), vectors)


def test_states_are_pooled_over_the_map_the_tokens_or_at_the_class_token() -> None:
    states = torch.arange(12.0)
    plain, with_class = nn.Linear(1, 1), nn.Module()
    with_class.register_parameter("cls_token", nn.Parameter(torch.zeros(1)))
    assert _mean_or_first(states.reshape(1, 3, 2, 2), plain).tolist() == [[1.5, 5.5, 9.5]]
    assert _mean_or_first(states.reshape(1, 4, 3), plain).tolist() == [[4.5, 5.5, 6.5]]
    assert _mean_or_first(states.reshape(1, 4, 3), with_class).tolist() == [[0.0, 1.0, 2.0]]


def test_vectors_stand_in_the_order_of_the_pictures(encoder: ImageEncoder) -> None:
    pictures = noise(BATCH + 3)
    together = encoder.encode(pictures)
    for row in (0, 1, BATCH - 1, BATCH, BATCH + 2):
        np.testing.assert_allclose(together[row], encoder.encode([pictures[row]])[0], atol=1e-2)


def test_a_low_picture_is_not_taken_for_colours(encoder: ImageEncoder) -> None:
    low, square = Image.new("RGB", (30, 3), "red"), Image.new("RGB", (30, 30), "red")
    np.testing.assert_array_equal(encoder.encode([low]), encoder.encode([square]))


def test_no_pictures_have_no_vectors(encoder: ImageEncoder) -> None:
    assert encoder.encode([]).shape == (0, 320)


def test_forward_has_gradients_and_encoding_follows_the_weights(tmp_path: Path) -> None:
    encoder, pictures = ImageEncoder(str(res_net(tmp_path))), noise(2)
    before = encoder.pool(pictures)
    states = encoder.forward(pictures)
    np.testing.assert_allclose(states.detach().numpy(), before, atol=0.1)
    states.sum().backward()  # type: ignore[no-untyped-call]
    weight = encoder.network.encoder.stages[-1].layers[-1].layer[-1].normalization.bias
    assert weight.grad is not None
    with torch.no_grad():
        weight += 1.0
    encoder.forget_copy()
    assert np.abs(encoder.pool(pictures) - before).max() > 0.5


def test_what_is_no_image_encoder_is_refused(tmp_path: Path) -> None:
    for name in (resolve(BUNDLED), str(tmp_path)):
        with pytest.raises(NotAnEncoder, match=f"^{name} is no image encoder: it must be"):
            ImageEncoder(name)


@pytest.mark.skipif(not LITE.is_dir(), reason="there is no efficientnet-lite0-hf in shared/models")
def test_a_trained_encoder_puts_pictures_of_one_thing_together() -> None:
    encoder = ImageEncoder(str(LITE))
    discs = [Image.radial_gradient("L").rotate(turn).convert("RGB") for turn in (0, 90)]
    slope = Image.linear_gradient("L").convert("RGB")
    first, second, other = encoder.encode([*discs, slope])
    assert encoder.dimension == 1280
    assert first @ second > 0.95 > first @ other
