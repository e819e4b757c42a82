"""Versions and encoders on disk. Each is whole or absent: written aside, then renamed.

    encoders/2/            meta.json, and a transformers folder if it was fine-tuned here
    encoders/last          the largest number that an encoder was ever given
    encoders/earlier/      what an earlier project left, see `model.storage.earlier`
    vectors/2/             the pool's vectors by encoder 2; `ready` once it can rank the pool;
                           `encoder`: the identity of the encoder that computed them
    vectors/frames-1f/     an image network's states for the frames of clips (sounds-1f: for sounds)
    versions/2.17/         head.safetensors and meta.json: encoder 2, the head's 17th refit

Weights are safetensors and facts are JSON; nothing is pickled. What is damaged is renamed to
`*.damaged-<time>`, see `model.storage.mend`.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from model.heads.head import Head
from model.storage.damage import Damaged, check_arrays, json_of, whole
from model.storage.disk import sync
from model.storage.facts import VersionFacts
from model.storage.heads import NAME as HEAD
from model.storage.heads import arrays_of, facts_of, head_of
from model.storage.states import StateStore
from model.storage.tokens import TokenStore
from model.storage.vectors import VectorStore, content_key
from model.types import EncoderSpec, Ints, Layout, Medium, is_of_tokens

if TYPE_CHECKING:  # most projects have no boxes
    from model.storage.proposals import ProposalStore

VERSION = re.compile(r"(\d+)\.(\d+)")
NUMBER = re.compile(r"\d+")
LAST, STAMP = "last", "encoder"
"""The files that hold the last encoder's number, and whose vectors are in a folder."""
FOLDERS = ("encoders", "vectors", "versions")
STATE_FOLDERS: dict[Medium, str] = {
    "video": "frames",
    "footage": "footage",
    "images": "frames",
    "audio": "sounds",
    "track": "sounds",
    "steps": "steps",
}
"""Media whose networks stay frozen -> the name of the folder of their states."""
RAGGED: tuple[Layout, ...] = (("tokens",), ("tokens", "beside"), ("steps",), ("proposals",))
"""Layouts whose encoders give each example any number of rows, and not one vector."""
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
    """Where an encoder comes from. source: HERE when fine-tuned, else its base; base, image_base,
    audio_base, video_base: the networks that it was made from; labels: how many it was tuned on;
    asked: names what these answered, beside which audit labels; earlier: whose encoder it was made
    from in place of the pretrained one, in words, or ""; windows: see EncoderSpec; things: what a
    detector finds, in the order of its scores; identity: differs from that of any other encoder, ""
    before it is written."""

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
    earlier: str = ""
    windows: int = 1
    things: tuple[str, ...] = ()
    video_base: str = ""
    identity: str = field(default="", compare=False)

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(
            *(self.layout, self.base, self.image_base, self.max_tokens, self.audio_base),
            windows=self.windows,
            video=self.video_base,
        )


class Store:
    """The folder of one project's versions. Safe for one writer and many readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[int, VectorStore] = {}
        for name in FOLDERS:
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
            "encoder_identity": self._identity_of(version.encoder),
            "kind": None,
            **version.facts.to_json(),
        }
        if head is not None:
            arrays |= arrays_of(head)
            facts |= facts_of(head)
        with written_aside(self.version_folder(version.name)) as aside:
            contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            save_file(contiguous, aside / HEAD)
            (aside / "meta.json").write_text(json.dumps(facts, indent=1))

    def load_version(self, name: str) -> Version:
        """Raises FileNotFoundError when there is no such version, Damaged when it is not whole or
        was made with another encoder of this number, WrittenLater when a later release made it."""
        folder = self.version_folder(name)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no {folder}")
        facts = json_of(folder / "meta.json")
        with whole(folder / HEAD):
            arrays = load_file(folder / HEAD)
        try:
            version = _version_of(name, facts, arrays)
        except (KeyError, TypeError):
            raise Damaged("its meta.json is not what was written") from None
        encoder = self.encoders().get(version.encoder)
        if encoder is not None and facts.get("encoder_identity", "") not in ("", encoder.identity):
            raise Damaged(f"it was made with another encoder {version.encoder}")
        return version

    def _identity_of(self, number: int) -> str:
        encoder = self.encoders().get(number)
        return "" if encoder is None else encoder.identity

    def delete_version(self, name: str) -> None:
        remove(self.version_folder(name))

    def version_folder(self, name: str) -> Path:
        return self.folder / "versions" / name

    def encoders(self) -> dict[int, EncoderMeta]:
        """All encoders by number, oldest first, without those whose facts cannot be read."""
        found: dict[int, EncoderMeta] = {}
        for number in self.encoder_numbers():
            with suppress(Damaged):
                found[number] = self._meta_of(number)
        return found

    def encoder_numbers(self) -> list[int]:
        """The numbers of all encoders, damaged ones among them, in order."""
        return _numbers_in(self.folder / "encoders")

    def vector_numbers(self) -> list[int]:
        """The numbers of the encoders of which there are vectors, in order."""
        return _numbers_in(self.folder / "vectors")

    def check_encoder(self, number: int) -> None:
        """Raises Damaged when an encoder is not whole."""
        folder = self.encoder_folder(number)
        if self._meta_of(number).source != HERE:
            return
        weights = list(folder.rglob("*.safetensors"))
        if not weights:
            raise Damaged("its weights are missing")
        for path in weights:
            check_arrays(path)
        for path in folder.rglob("*.json"):
            json_of(path)

    def _meta_of(self, number: int) -> EncoderMeta:
        return _meta_of(json_of(self.encoder_folder(number) / "meta.json"))

    def identify_encoders(self) -> None:
        """Give an identity to the encoders of earlier releases, and to their vectors."""
        for number, meta in self.encoders().items():
            if not meta.identity:
                folder = self.vectors_folder(number)
                folder.mkdir(parents=True, exist_ok=True)
                identity = stamp_in(folder) or token_hex(8)  # one if this was interrupted
                (folder / STAMP).write_text(identity)
                self._replace_meta(number, replace(meta, identity=identity))

    def note_labels(self, number: int, labels: int, asked: str) -> None:
        """Record that tuning on so many labels made no better encoder than this one."""
        meta = self.encoders()[number]
        self._replace_meta(number, replace(meta, labels=labels, asked=asked))

    def _replace_meta(self, number: int, meta: EncoderMeta) -> None:
        folder = self.encoder_folder(number)
        aside = folder / "meta.json.unfinished"
        aside.write_text(json.dumps(vars(meta), indent=1))
        aside.replace(folder / "meta.json")

    def next_encoder(self) -> int:
        """The number of the encoder to be made next. No number is used twice, even when the folder
        of the last encoder was lost: its vectors, its versions and their predictions in Label
        Studio may still be there."""
        paths = [path for kind in FOLDERS for path in (self.folder / kind).iterdir()]
        found = [NUMBER.match(path.name) for path in paths if path.suffix != ".unfinished"]
        numbers = [int(match[0]) for match in found if match is not None]
        return max([*numbers, self._last_encoder()], default=-1) + 1

    def _last_encoder(self) -> int:
        """As it was written down; -1 if it was not."""
        path = self.folder / "encoders" / LAST
        text = path.read_text(errors="replace") if path.exists() else ""
        return int(text) if NUMBER.fullmatch(text) else -1

    @contextmanager
    def new_encoder(self, number: int) -> Iterator[Path]:
        """A folder to write encoder `number` into; it becomes visible when the block ends.

        Call `write_encoder_meta` on it inside the block.
        """
        with written_aside(self.encoder_folder(number)) as aside:
            yield aside
            (self.folder / "encoders" / LAST).write_text(str(number))

    def tuned_folder(self, number: int) -> Path | None:
        """Where the weights of encoder `number` are; None if they are those of its base."""
        is_tuned = self.encoders()[number].source == HERE
        return self.encoder_folder(number) if is_tuned else None

    def encoder_folder(self, number: int) -> Path:
        return self.folder / "encoders" / str(number)

    def vectors(self, number: int) -> VectorStore:
        """The vectors of whole examples by encoder `number`."""
        if number not in self._opened:
            meta = self.encoders()[number]
            self._opened[number] = VectorStore(self._stamped(number, meta), meta.dimension)
        return self._opened[number]

    def most_vectors(self) -> int:
        """How many vectors of whole examples there are by the encoder with the most."""
        return max((vectors.count() for vectors in self._of_examples()), default=0)

    def compact(self, keys: Ints) -> int:
        """Drop the vectors of whole examples that are under none of these keys, where they are
        many. Only while nobody else uses them. Returns how many were dropped."""
        return sum(vectors.compact(keys) for vectors in self._of_examples())

    def _of_examples(self) -> list[VectorStore]:
        known = self.encoders().items()
        return [self.vectors(number) for number, meta in known if meta.layout not in RAGGED]

    def tokens(self, number: int) -> TokenStore:
        """The tokens of texts or sounds by encoder `number`, which says something of each."""
        meta = self.encoders()[number]
        return TokenStore(self._stamped(number, meta), meta.dimension)

    def frozen(self, medium: Medium, name: str, dimension: int) -> StateStore:
        """The states of clips or sounds by the pretrained network of this name, for all encoders
        that are made with it; without those that are damaged."""
        store = StateStore(self._frozen_folder(medium, name), dimension)
        store.check()
        return store

    def proposals(self, number: int) -> "ProposalStore":
        """What detector `number`, whose layout is `proposals`, found in pictures."""
        from model.storage.proposals import ProposalStore  # noqa: PLC0415 (see above)

        meta = self.encoders()[number]
        return ProposalStore(self._stamped(number, meta), meta.dimension, len(meta.things))

    def encoded(self, number: int) -> "VectorStore | TokenStore | ProposalStore":
        """`tokens`, `proposals` or `vectors`, as the encoder's layout needs."""
        layout = self.encoders()[number].layout
        if is_of_tokens(layout):
            return self.tokens(number)
        return self.proposals(number) if layout == ("proposals",) else self.vectors(number)

    def _frozen_folder(self, medium: Medium, name: str) -> Path:
        return self.folder / "vectors" / f"{STATE_FOLDERS[medium]}-{content_key(name):x}"

    def vectors_folder(self, number: int) -> Path:
        return self.folder / "vectors" / str(number)

    def _stamped(self, number: int, meta: EncoderMeta) -> Path:
        """The folder of an encoder's vectors, which says whose they are."""
        folder = self.vectors_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        if meta.identity and not any(folder.iterdir()):
            (folder / STAMP).write_text(meta.identity)
        return folder

    def vectors_are_of(self, number: int, meta: EncoderMeta) -> bool:
        """Whether the vectors of this number, if there are any, were computed by this encoder."""
        folder = self.vectors_folder(number)
        return stamp_in(folder) == meta.identity or not any(folder.glob("*.bin"))

    def forget_opened(self, number: int) -> None:
        """The files of these vectors are others now."""
        self._opened.pop(number, None)

    def mark_ready(self, number: int) -> None:
        """Record that encoder `number` has encoded the whole pool as it is now, or enough of it to
        rank with."""
        (self.vectors_folder(number) / "ready").touch()

    def is_ready(self, number: int) -> bool:
        return (self.vectors_folder(number) / "ready").exists()

    def delete_encoder(self, number: int) -> None:
        """Also deletes the states of clips and sounds whose network no other encoder uses."""
        self.forget_opened(number)
        # Vectors without an encoder mean that it was lost.
        remove(self.vectors_folder(number))
        remove(self.encoder_folder(number))
        left = self.encoders().values()
        kept = {self._frozen_folder("video", meta.image_base) for meta in left}
        kept |= {self._frozen_folder("footage", meta.video_base) for meta in left}
        kept |= {self._frozen_folder("audio", meta.audio_base) for meta in left}
        kept |= {self._frozen_folder("steps", meta.audio_base) for meta in left}
        for name in STATE_FOLDERS.values():
            for folder in set((self.folder / "vectors").glob(f"{name}-*")) - kept:
                remove(folder)


def stamp_in(folder: Path) -> str:
    """The identity of the encoder whose vectors are in this folder; "" if nothing says so."""
    path = folder / STAMP
    return path.read_text(errors="replace") if path.exists() else ""


def _numbers_in(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def write_encoder_meta(folder: Path, meta: EncoderMeta) -> None:
    """Write the facts, with a new identity if they have none."""
    known = replace(meta, identity=meta.identity or token_hex(8))
    (folder / "meta.json").write_text(json.dumps(vars(known), indent=1))


def _meta_of(facts: dict[str, Any]) -> EncoderMeta:
    """The facts as this or another release wrote them. Raises Damaged when some are missing."""
    known = {one.name: facts[one.name] for one in fields(EncoderMeta) if one.name in facts}
    try:
        lists = {
            "layout": tuple(known.get("layout", ("text",))),
            "things": tuple(known.get("things", ())),
        }
        meta = EncoderMeta(**{**known, **lists})
    except TypeError:
        raise Damaged("its meta.json is not what was written") from None
    if not isinstance(meta.dimension, int) or not isinstance(meta.source, str):
        raise Damaged("its meta.json is not what was written")
    return meta


def _version_of(name: str, facts: dict[str, Any], arrays: dict[str, Any]) -> Version:
    known = VersionFacts.from_json(facts)  # first: a later release may write all else otherwise
    head = None if facts["kind"] is None else head_of(facts, arrays)
    return Version(
        name,
        facts["encoder"],
        head,
        arrays["training"],
        arrays["validation"],
        arrays["shortlist"],
        known,
    )


def version_key(name: str) -> tuple[int, int]:
    """Sort key of a version name such as 3.12. Raises ValueError for any other text."""
    match = VERSION.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no version name; versions read like 3.12")
    return int(match[1]), int(match[2])


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A folder to write into, which has the name `folder` once all of it is on disk."""
    aside = folder.with_name(folder.name + ".unfinished")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in [*aside.rglob("*"), aside]:
            sync(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)  # on a full disk it would waste space
        raise
    aside.rename(folder)
    sync(folder.parent)


def remove(folder: Path) -> None:
    """Rename first: a folder is never seen half deleted."""
    if folder.exists():
        doomed = folder.with_name(folder.name + ".unfinished")
        if doomed.exists():
            shutil.rmtree(doomed)
        folder.rename(doomed)
        shutil.rmtree(doomed)
