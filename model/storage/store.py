"""Versions and encoders on disk. Each is whole or absent: written aside, then renamed.

    encoders/2/            meta.json, and a transformers folder if it was fine-tuned here
    vectors/2/             the pool's vectors by encoder 2; `ready` once it can rank the pool
    vectors/frames-1f/     an image network's states for the frames of clips (sounds-1f: for sounds)
    versions/2.17/         head.safetensors and meta.json: encoder 2, the head's 17th refit

Weights are safetensors and facts are JSON; nothing is pickled.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.states import StateStore
from model.storage.tokens import TokenStore
from model.storage.vectors import VectorStore, content_key
from model.types import EncoderSpec, Ints, LabelGroup, Layout, Medium

VERSION = re.compile(r"(\d+)\.(\d+)")
STATE_FOLDERS: dict[Medium, str] = {"video": "frames", "audio": "sounds"}
"""Media whose networks stay frozen -> the name of the folder of their states."""
HERE = "."
"""As the source in an encoder's meta: its weights are in its own folder."""


@dataclass(frozen=True)
class Version:
    """One published version: a head (None before any label) on an encoder, and its shortlist.

    training, validation: ids of the tasks whose labels it learnt from and was measured on;
    shortlist: ids of the tasks to label next, in order. fitted: the head before its calibration,
    where the next fit starts; not stored on disk.
    """

    name: str
    encoder: int
    head: Head | None
    training: Ints
    validation: Ints
    shortlist: Ints
    facts: VersionFacts
    fitted: Head | None = None


@dataclass(frozen=True)
class EncoderMeta:
    """Where an encoder comes from. source: HERE when fine-tuned, else its base; base,
    image_base, audio_base: the networks that it was made from; labels: how many it was tuned on;
    asked: names what these answered, beside which audit labels."""

    source: str
    base: str
    max_tokens: int
    dimension: int
    labels: int = 0
    asked: str = ""
    report: dict[str, Any] | None = None
    layout: Layout = ("text",)
    image_base: str = ""
    audio_base: str = ""

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(
            self.layout, self.base, self.image_base, self.max_tokens, self.audio_base
        )


class Store:
    """The folder of one project's versions. Safe for one writer and many readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[int, VectorStore] = {}
        for name in ("encoders", "vectors", "versions"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def clear_unfinished(self) -> None:
        """Remove what a crash left half written."""
        for path in self.folder.glob("*/*.unfinished"):
            shutil.rmtree(path)

    def version_names(self) -> list[str]:
        """All versions, oldest first."""
        names = [path.name for path in (self.folder / "versions").iterdir()]
        return sorted(filter(VERSION.fullmatch, names), key=version_key)

    def save_version(self, version: Version) -> None:
        head = version.head
        arrays: dict[str, Any] = {
            "training": version.training,
            "validation": version.validation,
            "shortlist": version.shortlist,
        }
        facts: dict[str, Any] = {
            "encoder": version.encoder,
            "kind": None,
            **version.facts.to_json(),
        }
        if head is not None:
            arrays |= {"weights": head.weights, "bias": head.bias, "centre": head.centre}
            if head.thresholds is not None:
                arrays["thresholds"] = head.thresholds
            facts |= {"kind": head.kind, "classes": list(head.labels)}
            if head.groups:
                facts["groups"] = [astuple(group) for group in head.groups]
        with _written_aside(self.folder / "versions" / version.name) as aside:
            contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            save_file(contiguous, aside / "head.safetensors")
            (aside / "meta.json").write_text(json.dumps(facts, indent=1))

    def load_version(self, name: str) -> Version:
        """Raises FileNotFoundError when there is no such version."""
        folder = self.folder / "versions" / name
        facts = json.loads((folder / "meta.json").read_text())
        arrays = load_file(folder / "head.safetensors")
        head = None
        if facts["kind"] is not None:
            labels = tuple(facts["classes"])
            arrays_of_head = (arrays["weights"], arrays["bias"], arrays["centre"])
            groups = tuple(LabelGroup(*group) for group in facts.get("groups", []))
            thresholds = arrays.get("thresholds")
            head = Head(facts["kind"], labels, *arrays_of_head, thresholds, groups)
        return Version(
            name,
            facts["encoder"],
            head,
            arrays["training"],
            arrays["validation"],
            arrays["shortlist"],
            VersionFacts.from_json(facts),
        )

    def delete_version(self, name: str) -> None:
        _remove(self.folder / "versions" / name)

    def encoders(self) -> dict[int, EncoderMeta]:
        """All encoders by number, oldest first."""
        found: dict[int, EncoderMeta] = {}
        for path in (self.folder / "encoders").iterdir():
            if path.name.isdigit():
                facts = json.loads((path / "meta.json").read_text())
                layout = tuple(facts.pop("layout", ("text",)))
                found[int(path.name)] = EncoderMeta(**facts, layout=layout)
        return dict(sorted(found.items()))

    def next_encoder(self) -> int:
        """The number of the encoder to be made next; no number is reused while the last encoder
        exists."""
        return max(self.encoders(), default=-1) + 1

    @contextmanager
    def new_encoder(self, number: int) -> Iterator[Path]:
        """A folder to write encoder `number` into; it becomes visible when the block ends.

        Call `write_encoder_meta` on it inside the block.
        """
        with _written_aside(self.folder / "encoders" / str(number)) as aside:
            yield aside

    def tuned_folder(self, number: int) -> Path | None:
        """Where the weights of encoder `number` are; None if they are those of its base."""
        is_tuned = self.encoders()[number].source == HERE
        return self.folder / "encoders" / str(number) if is_tuned else None

    def vectors(self, number: int) -> VectorStore:
        """The vectors of whole examples by encoder `number`."""
        if number not in self._opened:
            dimension = self.encoders()[number].dimension
            self._opened[number] = VectorStore(self._vectors_folder(number), dimension)
        return self._opened[number]

    def tokens(self, number: int) -> TokenStore:
        """The tokens of texts by encoder `number`, whose layout is `tokens`."""
        return TokenStore(self._vectors_folder(number), self.encoders()[number].dimension)

    def frozen(self, medium: Medium, name: str, dimension: int) -> StateStore:
        """The states of clips or sounds by the pretrained network of this name, for all encoders
        that are made with it."""
        return StateStore(self._frozen_folder(medium, name), dimension)

    def encoded(self, number: int) -> VectorStore | TokenStore:
        """`tokens` or `vectors`, as the encoder's layout needs."""
        is_of_tokens = self.encoders()[number].layout == ("tokens",)
        return self.tokens(number) if is_of_tokens else self.vectors(number)

    def _frozen_folder(self, medium: Medium, name: str) -> Path:
        return self.folder / "vectors" / f"{STATE_FOLDERS[medium]}-{content_key(name):x}"

    def _vectors_folder(self, number: int) -> Path:
        return self.folder / "vectors" / str(number)

    def mark_ready(self, number: int) -> None:
        """Record that encoder `number` has encoded the whole pool as it is now, or enough of it to
        rank with."""
        (self.folder / "vectors" / str(number) / "ready").touch()

    def is_ready(self, number: int) -> bool:
        return (self.folder / "vectors" / str(number) / "ready").exists()

    def delete_encoder(self, number: int) -> None:
        """Also deletes the states of clips and sounds whose network no other encoder uses."""
        self._opened.pop(number, None)
        for kind in ("encoders", "vectors"):
            _remove(self.folder / kind / str(number))
        left = self.encoders().values()
        kept = {self._frozen_folder("video", meta.image_base) for meta in left}
        kept |= {self._frozen_folder("audio", meta.audio_base) for meta in left}
        for folder in set((self.folder / "vectors").glob("*-*")) - kept:
            _remove(folder)


def write_encoder_meta(folder: Path, meta: EncoderMeta) -> None:
    (folder / "meta.json").write_text(json.dumps(vars(meta), indent=1))


def version_key(name: str) -> tuple[int, int]:
    """Sort key of a version name such as 3.12. Raises ValueError for any other text."""
    match = VERSION.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no version name; versions read like 3.12")
    return int(match[1]), int(match[2])


@contextmanager
def _written_aside(folder: Path) -> Iterator[Path]:
    aside = folder.with_name(folder.name + ".unfinished")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in [*aside.iterdir(), aside]:
            _sync(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)  # on a full disk it would waste space
        raise
    aside.rename(folder)
    _sync(folder.parent)


def _remove(folder: Path) -> None:
    """Rename first: a folder is never seen half deleted."""
    if folder.exists():
        doomed = folder.with_name(folder.name + ".unfinished")
        if doomed.exists():
            shutil.rmtree(doomed)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
