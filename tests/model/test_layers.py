from pathlib import Path

from torch import nn
from transformers import SwinConfig, SwinModel

from model.encoders.images import ImageEncoder
from model.encoders.layers import frozen_weights, network_layers, train_mode
from model.encoders.text import BUNDLED, TextEncoder
from tests.model.test_image_encoder import efficient_net


def test_the_lowest_third_of_the_layers_is_not_tuned() -> None:
    network = TextEncoder(BUNDLED, 32).network
    frozen = set(frozen_weights(network))
    is_frozen = [
        all(weight in frozen for weight in layer.parameters()) for layer in network_layers(network)
    ]
    assert is_frozen == [True, True, False, False, False, False]
    assert network.get_input_embeddings().weight in frozen


def test_the_stages_of_a_pyramid_are_its_layers() -> None:
    """The third stage has more blocks than there are stages."""
    config = SwinConfig(embed_dim=8, depths=[1, 1, 6, 1], num_heads=[1, 1, 1, 1], image_size=32)
    network = SwinModel(config)
    assert network_layers(network) == list(network.encoder.layers)


def test_a_network_without_a_list_of_layers_is_tuned_whole() -> None:
    """All of it stayed frozen, and a deep round reported success without changing a weight."""
    assert frozen_weights(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []


def test_each_of_two_networks_keeps_its_own_lowest_third(tmp_path: Path) -> None:
    text = TextEncoder(BUNDLED, 32).network
    image = ImageEncoder(str(efficient_net(tmp_path))).network
    both = nn.ModuleDict({"text": text, "image": image})
    assert frozen_weights(both) == frozen_weights(text) + frozen_weights(image)


def test_in_training_dropout_is_on_and_batch_statistics_are_not() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), nn.LayerNorm(3)).eval()
    train_mode(network)
    assert [module.training for module in network] == [False, True, True]
