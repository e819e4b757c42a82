"""16-bit numbers: where they are faster, networks encode with a copy of themselves in bfloat16."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn


def bf16_pays(device: torch.device) -> bool:
    """Whether 16-bit matrix products are faster here: GPUs, and processors that have them (three
    to five times on an EPYC with AVX512-BF16, in encoding and in training)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


class TrainableNetwork:
    """A network with float32 weights for training and, where 16 bits are faster, a bfloat16 copy
    for encoding. Whoever changes the weights calls `forget_copy`."""

    def __init__(self, network: Any, device: torch.device) -> None:
        """`network`: an nn.Module of any architecture, whose attributes depend on it."""
        self.network = network
        self.device = device
        self.low_precision = bf16_pays(device)
        self._copy: nn.Module | None = None

    def forget_copy(self) -> None:
        """The weights have changed: `reader` copies them again when it is next called."""
        self._copy = None

    def reader(self) -> nn.Module:
        """The network to encode with: where 16 bits are faster, the copy, which saves casting the
        weights for each batch (a fifth of the time with short texts)."""
        network: nn.Module = self.network
        if not self.low_precision:
            return network
        if self._copy is None:
            self._copy = deepcopy(network).to(torch.bfloat16).eval()
        return self._copy

    def autocast(self, network: nn.Module) -> torch.autocast:
        """A context that computes the float32 network's products in 16 bits where that is faster;
        the copy needs no casting."""
        casts = self.low_precision and network is self.network
        return torch.autocast(self.device.type, torch.bfloat16, enabled=casts)
