"""The interfaces of encoders: those that deep rounds fine-tune, and those that stay frozen.

The registries in `model.encoders.joint` say which class encodes which medium.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from model.spans.tags import Tokens
from model.types import Floats

if TYPE_CHECKING:  # most projects have no boxes
    from model.boxes.proposals import Proposals


class Trainable(Protocol):
    """What can be fine-tuned: a network that reads items of one type, such as texts or pictures.

    Whoever changes the weights calls `forget_copy` before the next `pool` or `encode`.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def dimension(self) -> int:
        """The width of its states and vectors."""
        ...

    def forward(self, items: Sequence[Any], /) -> Tensor:
        """One batch of items to pooled states (n, dimension), float32, with gradients unless they
        are switched off. An encoder of tokens returns the states of all tokens, (t, dimension)."""
        ...

    def pool(self, items: Sequence[Any], /) -> Floats:
        """Any number of items to the same states, without gradients."""
        ...

    def forget_copy(self) -> None:
        """The weights have changed: `pool` and `encode` must not use a copy of the old ones."""
        ...


class TunedEncoder(Trainable, Protocol):
    """The encoder of one medium whose network deep rounds fine-tune."""

    def encode(self, items: Sequence[Any], /) -> "Floats | Tokens | Proposals":
        """Items to vectors (n, dimension), float32, unit length; an encoder of tokens returns
        their Tokens, a detector its Proposals."""
        ...

    def save(self, folder: Path, /) -> None:
        """Write a plain transformers folder (safetensors) from which it can be loaded again."""
        ...


class FrozenEncoder(Protocol):
    """The encoder of one medium whose network is never tuned, so that each clip or sound needs to
    be read only once, however many encoders are made with this network."""

    @property
    def state_dimension(self) -> int:
        """The width d of the network's states."""
        ...

    @property
    def dimension(self) -> int:
        """The width of its vectors."""
        ...

    def read(self, item: Any, /) -> Floats:
        """One item to the network's states (f, d), float16, such as one a frame."""
        ...

    def encode(self, states: Sequence[Floats], /) -> Floats | Tokens:
        """The states of items, (f, d) each, to vectors (n, dimension), float32, unit length; an
        encoder of steps returns their Tokens."""
        ...
