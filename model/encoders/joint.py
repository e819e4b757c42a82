"""One vector for all that an example consists of: its texts, its pictures, clips and sounds."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from model.encoders.clips import ClipEncoder
from model.encoders.encoder import FrozenEncoder, TunedEncoder
from model.encoders.images import ImageEncoder
from model.encoders.part_head import PartHead, load_part_head
from model.encoders.sounds import SoundEncoder
from model.encoders.steps import StepEncoder
from model.encoders.text import TextEncoder
from model.encoders.tokens import TokenEncoder
from model.encoders.vectors import unit
from model.encoders.videos import VideoEncoder
from model.heads.lists import ALONG, NEARNESS
from model.media.limits import FRAMES
from model.media.pictures import Page
from model.media.sounds import RATE
from model.types import (
    READ_AS,
    EncoderSpec,
    Floats,
    Ints,
    Layout,
    Medium,
    compared,
    has_context,
    is_of_lists,
    is_of_pairs,
    is_of_things,
)

if TYPE_CHECKING:  # it is loaded where a detector is needed
    from model.encoders.proposals import ProposalEncoder


def _detector(name: str) -> TunedEncoder:
    from model.encoders.proposals import ProposalEncoder  # noqa: PLC0415 (most never need it)

    return ProposalEncoder(name)


TUNED: dict[Medium, Callable[[str, EncoderSpec], TunedEncoder]] = {
    "text": lambda name, spec: TextEncoder(name, spec.max_tokens, spec.windows),
    "tokens": lambda name, spec: TokenEncoder(name, spec.max_tokens, spec.windows),
    "image": lambda name, spec: ImageEncoder(name),
    "proposals": lambda name, spec: _detector(name),
}
"""Medium -> its encoder, from the name of a network or a folder, and the limits on texts. Deep
rounds tune these networks."""

FROZEN: dict[Medium, Callable[[str, PartHead | None], FrozenEncoder]] = {
    "video": lambda name, head: ClipEncoder(ImageEncoder(name), head),
    "images": lambda name, head: ClipEncoder(ImageEncoder(name)),
    "footage": lambda name, head: VideoEncoder(name),
    "audio": lambda name, head: SoundEncoder(name),
    "track": lambda name, head: SoundEncoder(name),
    "steps": lambda name, head: StepEncoder(name),
}
"""Medium -> its encoder, from the name of a network and what was learnt about single frames. These
networks stay as they are, for a batch of clips or sounds would take long."""

HEARING = (SoundEncoder, StepEncoder)
"""The encoders of sounds."""

BATCH = 32
"""Examples of several parts read at once."""

Part = str | Image | Floats | list[Page]
"""A text, a picture, the states (f, d) of a clip, of several pictures or of a sound, see
`JointEncoder.frozen`, or pictures in which things are to be found."""
Example = tuple[Part | None, ...]
"""The parts of an example in the layout's order; None where one is missing."""


class JointEncoder:
    """Examples to unit-length vectors of `dimension`: the vectors of their parts side by side, each
    with the same weight, zeros for missing parts. Not safe for use by several threads at once.

    For a layout of one text or picture it is just that part's encoder. For `tokens` and `steps`,
    `encode` returns Tokens instead of vectors, and for `proposals` Proposals. For two things that
    are compared, vectors and states are those of the first minus those of the second, of any
    length; where a text is shown beside them, the products of this difference with that text's
    vector follow. Of a list, vectors are those of all places, zeros where there is no candidate,
    and of what is beside them.
    """

    def __init__(self, spec: EncoderSpec, folder: Path | None = None) -> None:
        """Load the networks that `spec` names, or their fine-tuned weights from `folder`.

        Raises NotAnEncoder.
        """
        self.layout = spec.layout
        self._readers = [
            READ_AS.get(medium, medium) for medium in compared(spec.layout) if medium != "beside"
        ]
        self._has_several = sum(map(bool, (spec.text, spec.image, spec.audio, spec.video))) > 1
        self._tuned = {
            medium: make(
                spec.network_of(medium) if folder is None else str(self._own(folder, medium)), spec
            )
            for medium, make in TUNED.items()
            if medium in self._readers
        }
        networks: dict[str, nn.Module] = {
            medium: encoder.network for medium, encoder in self._tuned.items()
        }
        is_alone = len(networks) == 1
        self.network = networks.popitem()[1] if is_alone else nn.ModuleDict(networks)
        head = None if folder is None else load_part_head(folder)
        self.frozen = {
            medium: make(spec.network_of(medium), head)
            for medium, make in FROZEN.items()
            if medium in spec.layout
        }
        """The encoders of clips and sounds: examples hold the states that these have read."""
        clips = self.frozen.get("video")
        self.clips = clips if isinstance(clips, ClipEncoder) else None
        """Of layouts with a clip."""
        of_sounds = (one for one in self.frozen.values() if isinstance(one, HEARING))
        self.rate = next((one.rate for one in of_sounds), RATE)
        """Samples a second that sounds must have."""
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def frames(self) -> int:
        """How many frames of a clip are read."""
        footage = self.frozen.get("footage")
        return footage.frames if isinstance(footage, VideoEncoder) else FRAMES

    @property
    def is_tunable(self) -> bool:
        """Whether it has networks that can be fine-tuned."""
        return bool(self._tuned)

    @property
    def dimension(self) -> int:
        """The width of its vectors. It grows when clips or windows are learnt."""
        width = sum(self._widths())
        if is_of_lists(self.layout):
            return width * (len(self.layout) - 1)
        return 2 * width + 1 if has_context(self.layout) else width

    def forget_copy(self) -> None:
        """The weights have changed: no encoder may use a copy of the old ones."""
        for encoder in self._tuned.values():
            encoder.forget_copy()

    def encode(self, examples: Sequence[Example]) -> Floats:
        """Examples to vectors (n, dimension), float32, unit length but for pairs and
        lists."""
        if is_of_lists(self.layout):
            return self._of_lists(examples)
        if is_of_pairs(self.layout):
            read = torch.from_numpy(self._vectors(_things(examples, self.layout)))
            return self._difference(read, examples).numpy()
        return self._vectors(examples)

    def _of_lists(self, examples: Sequence[Example]) -> Floats:
        """Only candidates that are there are read."""
        found = np.zeros((len(examples), len(self.layout) - 1, sum(self._widths())), np.float32)
        for place in range(1, len(self.layout)):
            rows, parts = _there(examples, place)
            if rows:
                found[rows, place - 1] = self._vectors([(part,) for part in parts])
        return found.reshape(len(examples), self.dimension)

    def _vectors(self, examples: Sequence[Example]) -> Floats:
        alone = self.frozen.get("steps") or self._alone()
        if alone is not None:
            return cast(Floats, alone.encode(self._single(examples)))  # Tokens, and so on
        found = np.zeros((len(examples), sum(self._widths())), dtype=np.float32)
        for place, columns in enumerate(self._columns()):
            rows, parts = _there(examples, place)
            if rows:
                found[rows, columns] = self._encode(self._readers[place], parts)
        return unit(found)

    def pool(self, examples: Sequence[Example]) -> Floats:
        """Examples to pooled states (n, dimension), float32, as `forward` gives them."""
        if is_of_pairs(self.layout):
            read = torch.from_numpy(self._pooled(_things(examples, self.layout)))
            return self._difference(read, examples).numpy()
        if is_of_lists(self.layout):
            return self._of_lists(examples)
        return self._pooled(examples)

    def _pooled(self, examples: Sequence[Example]) -> Floats:
        alone = self._alone()
        if alone is not None:
            return alone.pool(self._single(examples))
        batches = (examples[start : start + BATCH] for start in range(0, len(examples), BATCH))
        with torch.inference_mode():
            pooled = [self._states(batch).cpu().numpy() for batch in batches]
        return np.concatenate([np.zeros((0, sum(self._widths())), np.float32), *pooled])

    def forward(self, examples: Sequence[Example]) -> Tensor:
        """One batch to pooled states (n, dimension), with gradients unless they are switched off.
        If there are several parts, each is scaled to unit length. Clips and sounds have no
        gradients."""
        if is_of_pairs(self.layout):
            return self._difference(self._states(_things(examples, self.layout)), examples)
        return self._states(examples)

    def _states(self, examples: Sequence[Example]) -> Tensor:
        alone = self._alone()
        if alone is not None:
            return alone.forward(self._single(examples))
        states = torch.zeros((len(examples), sum(self._widths())), device=self.device)
        for place, columns in enumerate(self._columns()):
            rows, parts = _there(examples, place)
            if rows:
                states[rows, columns] = self._forward(self._readers[place], parts)
        return states

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that the text encoder does not know, in [0, 1]; 1 for one
        that has none, and without a text encoder."""
        encoder = self._tuned.get("text")
        return encoder.unknown_share(text) if isinstance(encoder, TextEncoder) else 1.0

    @property
    def detector(self) -> "ProposalEncoder":
        """For the layout `proposals`: what finds things in pictures."""
        return cast("ProposalEncoder", self._tuned["proposals"])

    @property
    def things(self) -> tuple[str, ...]:
        """What the detector finds, in the order of its scores; () without one."""
        return self.detector.things if "proposals" in self._tuned else ()

    def token_places(self, examples: Sequence[Example]) -> list[Ints]:
        """For the layout `tokens`: the places of each example's tokens in its text, (m, 2) each."""
        encoder = self._tuned["tokens"]
        if not isinstance(encoder, TokenEncoder):
            raise TypeError(f"{type(encoder).__name__} knows no places of tokens")
        return encoder.places(self._single(examples))

    def learn_clips(self, examples: Sequence[Example], targets: Floats) -> None:
        """Fit the model of single frames in `clips` to the labels (n, c) of whole examples. Of
        pairs nothing is learnt: labels say which of two clips, not what a frame shows."""
        if self.clips is None or is_of_pairs(self.layout):
            return
        places = [place for place, medium in enumerate(self.layout) if medium == "video"]
        there = [_there(examples, place) for place in places]
        rows = [row for chosen, _ in there for row in chosen]
        self.clips.learn([clip for _, clips in there for clip in clips], targets[rows])

    def learn_windows(self, examples: Sequence[Example], targets: Floats) -> None:
        """Fit the model of single windows to the texts of examples and the labels (n, c) of these,
        where any is long. Of pairs nothing is learnt, as of clips. The networks are not to be
        tuned after that."""
        encoder = self._tuned.get("text")
        if not isinstance(encoder, TextEncoder) or is_of_things(self.layout):
            return
        places = [place for place, reader in enumerate(self._readers) if reader == "text"]
        there = [_there(examples, place) for place in places]
        rows = [row for chosen, _ in there for row in chosen]
        encoder.learn_windows([text for _, texts in there for text in texts], targets[rows])

    def forget_windows(self) -> None:
        """Undo `learn_windows`."""
        encoder = self._tuned.get("text")
        if isinstance(encoder, TextEncoder):
            encoder.forget_windows()

    def save(self, folder: Path) -> None:
        """Write the tuned networks as plain transformers folders: `folder` itself if the layout has
        a single network, else one subfolder each."""
        for medium, encoder in self._tuned.items():
            own = self._own(folder, medium)
            own.mkdir(exist_ok=True)
            encoder.save(own)
        if self.clips is not None:
            self.clips.save(folder)

    def _own(self, folder: Path, medium: Medium) -> Path:
        """Where the weights of a network are within a folder."""
        return folder / medium if self._has_several else folder

    def _difference(self, read: Tensor, examples: Sequence[Example]) -> Tensor:
        """The rows of `_things` to differences, (n, dimension). Swapping the two things changes
        their sign, also of how much nearer the first is than the second to what is beside them."""
        count = len(examples)
        if not has_context(self.layout):
            return read[:count] - read[count:]
        alike = nn.functional.normalize(read, dim=1)
        first, second, beside = alike.reshape(3, count, read.shape[1])
        is_there = [example[-1] is not None for example in examples]
        beside = beside * torch.tensor(is_there, device=read.device)[:, None]
        nearer = beside * (first - second)
        each = ALONG * math.sqrt(read.shape[1]) * nearer
        return torch.cat([first - second, each, NEARNESS * nearer.sum(dim=1, keepdim=True)], dim=1)

    def _single(self, examples: Sequence[Example]) -> list[Any]:
        """What the only encoder reads of each example: the one part, or a text and what is beside
        it."""
        if "beside" in self.layout:
            return list(examples)
        return [example[0] for example in examples]

    def _alone(self) -> TunedEncoder | None:
        """The encoder of the only part, for layouts of one text or picture."""
        return self._tuned.get(self._readers[0]) if len(self._readers) == 1 else None

    def _of(self, medium: Medium) -> TunedEncoder | FrozenEncoder:
        return self.frozen.get(medium) or self._tuned[medium]

    def _widths(self) -> list[int]:
        return [self._of(medium).dimension for medium in self._readers]

    def _columns(self) -> list[slice]:
        """The columns of each part's vectors."""
        widths = self._widths()
        ends = np.cumsum(widths).tolist()
        return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]

    def _encode(self, medium: Medium, parts: list[Any]) -> Floats:
        return cast(Floats, self._of(medium).encode(parts))  # Tokens are never beside others

    def _forward(self, medium: Medium, parts: list[Any]) -> Tensor:
        if medium in self.frozen:
            return torch.as_tensor(self._encode(medium, parts), device=self.device)
        return nn.functional.normalize(self._tuned[medium].forward(parts), dim=1)


def _things(pairs: Sequence[Example], layout: Layout) -> list[Example]:
    """The first things of all pairs, then the second ones, and then what is beside them, if that is
    in the layout: "" where it is missing."""
    size = len(compared(layout))
    things = [pair[start : start + size] for start in (1, 1 + size) for pair in pairs]
    if not has_context(layout):
        return things
    return things + [(pair[-1] or "",) for pair in pairs]


def _there(examples: Sequence[Example], place: int) -> tuple[list[int], list[Any]]:
    """The rows of the examples that have this part, and the parts."""
    there = [(row, one[place]) for row, one in enumerate(examples) if one[place] is not None]
    return [row for row, _ in there], [part for _, part in there]
