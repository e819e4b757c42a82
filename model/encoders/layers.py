"""Which weights of a network are fine-tuned, and how its layers behave meanwhile."""

from torch import nn

FROZEN_LAYERS = 1 / 3
"""The lowest third of the layers, and all embeddings, stay frozen: a small set of labels teaches
them nothing, steps are faster, and what is learnt from 25 to 100 labels generalises better."""


def frozen_weights(network: nn.Module) -> list[nn.Parameter]:
    """The weights that stay frozen: embeddings and the lowest FROZEN_LAYERS of the layers.

    None of a network without a list of layers: nothing says which of its weights are the lowest. An
    nn.ModuleDict is treated as several networks, each with layers of its own.
    """
    if isinstance(network, nn.ModuleDict):
        return [weight for part in network.values() for weight in frozen_weights(part)]
    layers = network_layers(network)
    if not layers:
        return []
    upper = layers[int(FROZEN_LAYERS * len(layers)) :]
    tuned = {weight for layer in upper for weight in layer.parameters()}
    return [weight for weight in network.parameters() if weight not in tuned]


def network_layers(network: nn.Module) -> list[nn.Module]:
    """The network's layers, blocks or stages, lowest first: its list of modules with the most
    weights. [] if it has none."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    return list(max(lists, key=_size, default=[]))


def _size(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def train_mode(network: nn.Module) -> None:
    """Dropout on; batch normalisation keeps its statistics, as small batches would ruin them."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
