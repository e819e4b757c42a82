"""Detectors: a transformers model for object detection, pictures -> proposals.

Any that `AutoModelForObjectDetection` loads and that has queries will do: each query has a state, a
box and scores, as those of DETR (Carion et al. 2020, arXiv:2005.12872), its successors and YOLOS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForObjectDetection

from model.boxes.geometry import kept, overlaps
from model.boxes.proposals import Proposals
from model.encoders.errors import UNLOADABLE, NotAnEncoder
from model.encoders.precision import TrainableNetwork
from model.encoders.text import quiet_loader
from model.encoders.vectors import unit
from model.media.pictures import Page
from model.types import Floats, Ints

MOST_PROPOSALS = 40
"""Of each picture so many are kept."""
DOUBLES = 0.7
"""Of two proposals that overlap by more than this, only the one with the higher score is kept."""
NEEDED = ("logits", "pred_boxes", "last_hidden_state")
NO_QUERIES = (
    "it gives no boxes with a state each: choose one with queries, such as DETR, Deformable DETR, "
    "RT-DETR or YOLOS"
)


class ProposalEncoder(TrainableNetwork):
    """Pictures to Proposals whose states have `dimension` and unit length. `things`: what it finds,
    in the order of its scores. Not for use by several threads at once."""

    def __init__(self, name: str) -> None:
        """Load from `name`, a folder or a hub name. Raises NotAnEncoder."""
        quiet_loader()
        self._name = name
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.processor = _processor(name)
            network = AutoModelForObjectDetection.from_pretrained(name, dtype=torch.float32)
        except UNLOADABLE as error:
            raise NotAnEncoder(name, "proposals", _why_not(error)) from error
        super().__init__(network.to(device).eval(), device)
        self.low_precision = False  # places of boxes need all digits
        try:
            blank = self._read(Image.new("RGB", (64, 64)))
        except (*UNLOADABLE, AttributeError, KeyError, IndexError, TypeError) as error:
            raise NotAnEncoder(name, "proposals", NO_QUERIES) from error
        self.dimension = blank[0].shape[1]

    @property
    def things(self) -> tuple[str, ...]:
        """What it finds."""
        names = self.network.config.id2label
        return tuple(str(names[number]) for number in range(len(names)))

    def encode(self, examples: Sequence[Sequence[Page]]) -> Proposals:
        """The proposals in each example's pictures, states and scores in float16: the
        MOST_PROPOSALS with the highest scores of each picture, without DOUBLES."""
        width = self.dimension, len(self.things)
        states, scores = [np.zeros((0, one), np.float16) for one in width]
        found = [(states, scores, np.zeros((0, 4), np.float32), np.zeros((0, 3), np.int64))]
        counts = [0]
        for pages in examples:
            mine = [self._proposed(page) for page in pages]
            found += mine
            counts.append(sum(len(one[0]) for one in mine))
        columns = [np.concatenate(column) for column in zip(*found, strict=True)]
        return Proposals(columns[0], columns[2], columns[1], columns[3], np.cumsum(counts))

    def pool(self, examples: Sequence[Sequence[Page]]) -> Floats:
        """The mean state (n, dimension) of the proposals of each example, float32."""
        found = self.encode(examples)
        rows = [found.example(row).states.astype(np.float32) for row in range(len(found))]
        return np.array([one.mean(axis=0) for one in rows]).reshape(-1, self.dimension)

    def forward(self, examples: Sequence[Sequence[Page]]) -> Tensor:
        """The same, without gradients: detectors are tuned by their own loss, see
        model.encoders.detector_tuning."""
        return torch.from_numpy(self.pool(examples))

    def read(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """What the network takes of pictures."""
        # Without input_data_format, three rows of pixels would be taken for colour channels.
        found = self.processor(
            images=list(pictures), return_tensors="pt", input_data_format="channels_last"
        )
        return {name: found[name].to(self.device) for name in found if name.startswith("pixel")}

    def save(self, folder: Path) -> None:
        """Write a plain transformers folder (safetensors) with the processor's settings."""
        self.network.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def ask_for(self, labels: Sequence[str]) -> frozenset[str]:
        """Give the network a class head for these labels. Those that it finds already, by their
        names without regard to case, keep their weights; the others begin at random. Returns the
        names of the head's weights."""
        before = {name: one.clone() for name, one in self.network.state_dict().items()}
        things, known = len(self.things), numbered(self.things)
        places = [known.get(label.casefold(), -1) for label in labels]
        # With as many labels as things, nothing would tell the head from other weights.
        more = ("",) if len(labels) == things else ()
        network = self._loaded_for((*labels, *more))
        fresh = {name: one.clone() for name, one in network.state_dict().items()}
        head = frozenset(name for name in fresh if fresh[name].shape != before[name].shape)
        if more:
            network = self.network
            network.config.id2label, network.config.label2id = _named(labels)
        with torch.no_grad():
            for name, weight in network.state_dict().items():
                if name in head:
                    _take_rows(weight, before[name], fresh[name], places, things)
        self.network = network.to(self.device).eval()
        return head

    def _loaded_for(self, labels: Sequence[str]) -> Any:
        """The network as it was loaded, with another class head."""
        torch.manual_seed(0)
        id2label, label2id = _named(labels)
        return AutoModelForObjectDetection.from_pretrained(
            self._name,
            dtype=torch.float32,
            id2label=id2label,
            label2id=label2id,
            ignore_mismatched_sizes=True,
        ).to(self.device)

    def _proposed(self, page: Page) -> tuple[Floats, Floats, Floats, Ints]:
        states, scores, boxes = self._read(page.picture)
        sure = scores.max(axis=1)
        best = kept(sure, overlaps(boxes, boxes), DOUBLES)[:MOST_PROPOSALS]
        if not (np.isfinite(boxes).all() and np.isfinite(sure).all()):
            states = np.full_like(states, np.nan)  # so that it is said of this picture
        where = np.tile([page.number, page.width, page.height], (len(best), 1)).astype(np.int64)
        return (
            unit(states[best]).astype(np.float16),
            scores[best].astype(np.float16),
            boxes[best].astype(np.float32),
            where,
        )

    def _read(self, picture: Image.Image) -> tuple[Floats, Floats, Floats]:
        """Of all q queries: states (q, d), scores (q, k) and boxes (q, 4) cut to the picture."""
        with torch.inference_mode():
            found = self.network(**self.read([picture]))
            logits, boxes, states = (found[name][0].float() for name in NEEDED)
        # Of some networks, these are also the states of parts of the picture, before the queries.
        return (
            states[-len(logits) :].cpu().numpy(),
            scores_of(logits, len(self.things)).cpu().numpy(),
            _in_picture(boxes.cpu().numpy()),
        )


def numbered(things: Sequence[str]) -> dict[str, int]:
    """The place of each thing by its name, case-folded; the first of those that are alike."""
    return {thing.casefold(): place for place, thing in reversed(list(enumerate(things)))}


def scores_of(logits: Tensor, things: int) -> Tensor:
    """The scores (q, things) in [0, 1]. With one column more, which means nothing, exactly one of
    them is true; else each of them may be."""
    return logits.softmax(-1)[:, :things] if logits.shape[-1] > things else logits.sigmoid()


def _processor(name: str) -> Any:
    from transformers import AutoImageProcessor  # noqa: PLC0415 (as the network, when it is needed)

    # Pillow resizes in the same way everywhere; torchvision may be there or not.
    return AutoImageProcessor.from_pretrained(name, backend="pil")  # type: ignore[no-untyped-call]


def _in_picture(boxes: Floats) -> Floats:
    """Boxes (q, 4) with centres and sizes to boxes with upper left corners, without what lies
    outside of the picture."""
    low = np.clip(boxes[:, :2] - boxes[:, 2:] / 2, 0.0, 1.0)
    high = np.clip(boxes[:, :2] + boxes[:, 2:] / 2, 0.0, 1.0)
    return np.hstack([low, high - low])


def _named(labels: Sequence[str]) -> tuple[dict[int, str], dict[str, int]]:
    """Names by numbers, and numbers by names."""
    named = dict(enumerate(labels))
    return named, {label: number for number, label in named.items()}


def _take_rows(
    weight: Tensor, before: Tensor, fresh: Tensor, places: Sequence[int], things: int
) -> None:
    """Fill in the weights of a class head: of the labels that it knew the rows that these had
    `before`, in their `places`, and the last one where that means nothing; of the others, whose
    place is -1, fresh ones."""
    if len(before) not in (things, things + 1):
        return
    for row, place in enumerate(places):
        weight[row] = before[place] if place >= 0 else fresh[row]
    if len(before) > things:
        weight[-1] = before[-1]


def _why_not(error: Exception) -> str:
    more = ""
    for library in ("timm", "torchvision"):
        if library in str(error):
            more = f". It needs {library}, which the backend does not have: choose one without it"
            more += ", such as YOLOS or RT-DETR, or install it beside the backend"
            break
    first = str(error).strip().split("\n")[0]
    return (
        "it must be a folder with a transformers model for object detection and its "
        f"preprocessor_config.json, or the name of one on the Hugging Face hub ({first}){more}"
    )
