"""What an earlier project left to this one, in encoders/earlier/: whole or absent.

    meta.json            where it comes from, and what its encoder was made from
    encoder/             the tuned weights, a transformers folder; absent if none were tuned
    head.safetensors     the head on this encoder; absent if there was none
    verdict.json         what this project's own labels say of it; absent while they are few

It stays as long as the project, because deep rounds begin with a copy of these weights. Weights are
safetensors and facts are JSON; nothing is pickled.
"""

import json
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from safetensors.numpy import load_file, save_file

from model.heads.head import Head
from model.storage.damage import Damaged, WrittenLater, check_arrays, json_of, whole
from model.storage.heads import NAME as HEAD
from model.storage.heads import arrays_of, facts_of, head_of
from model.storage.store import Store, remove, written_aside
from model.types import EncoderSpec, Medium

NAME, WEIGHTS, META, VERDICT = "earlier", "encoder", "meta.json", "verdict.json"

FORMAT = 1
"""Grows when an older release could not read what this one writes."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier project learnt.

    origin: where it comes from, in words, such as "project 3"; spec: what its encoder reads, and
    the networks that it was made from; encoder: its number there, None where none was tuned and the
    pretrained one is meant; labels: how many it was tuned on, 0 if nobody knows; head: on vectors
    by this encoder, None if there was none.
    """

    origin: str
    spec: EncoderSpec
    encoder: int | None
    labels: int
    head: Head | None

    @property
    def whose(self) -> str:
        """The encoder in words."""
        return f"{self.origin}'s encoder {self.encoder}"

    def fits(self, spec: EncoderSpec) -> bool:
        """Whether its encoder reads what this one reads, and was made from the same networks. Of
        texts as much is read then as the other one says."""
        return replace(self.spec, max_tokens=spec.max_tokens).is_like(spec)


@dataclass(frozen=True)
class Verdict:
    """What this project's labels say of the earlier encoder.

    labels: how many there were; earlier, pretrained: the mean log probability that heads on the
    vectors of each encoder give to labels that they have not learnt; error: the standard error of
    the difference. All three are 0 where too few labelled tasks could be read to compare anything.
    """

    labels: int
    earlier: float
    pretrained: float
    error: float

    @property
    def is_measured(self) -> bool:
        """Whether anything was compared."""
        return any((self.earlier, self.pretrained, self.error))

    @property
    def stays(self) -> bool:
        """Whether the earlier encoder is as good, as far as so few labels can tell."""
        return self.earlier >= self.pretrained - self.error


def folder_of(store: Store) -> Path:
    """Where it is kept, whether or not there is any."""
    return store.folder / "encoders" / NAME


def has_earlier(store: Store) -> bool:
    """Whether anything of an earlier project is there."""
    return folder_of(store).is_dir()


def weights_of(store: Store) -> Path | None:
    """The folder of the tuned weights; None if there are none."""
    folder = folder_of(store) / WEIGHTS
    return folder if folder.is_dir() else None


def keep_earlier(
    store: Store, earlier: Earlier, write_weights: Callable[[Path], object] | None
) -> None:
    """Keep it for this project. write_weights: writes the tuned weights into a folder that it
    makes; None: there are none.

    Raises FileExistsError when the project has an earlier one already.
    """
    if has_earlier(store):
        raise FileExistsError(f"{folder_of(store)} exists")
    with written_aside(folder_of(store)) as aside:
        if write_weights is not None:
            write_weights(aside / WEIGHTS)
        write_facts(aside, earlier)


def copy_folder(source: Path, target: Path, ignored: Collection[str] = ()) -> None:
    """Copy all files below a folder, but those of the `ignored` names, into one that this makes.

    Raises FileNotFoundError when the source changes meanwhile, and whatever else the system says,
    such as that the disk is full: `shutil.copytree` makes one error of all.
    """
    target.mkdir()
    for path in sorted(source.iterdir()):
        if path.name in ignored:
            continue
        if path.is_dir():
            copy_folder(path, target / path.name, ignored)
        else:
            shutil.copyfile(path, target / path.name)


def drop_earlier(store: Store) -> None:
    """Delete it, if there is any."""
    remove(folder_of(store))


def earlier_of(store: Store) -> Earlier | None:
    """What the project began with; None if with nothing. Raises as `read_facts`."""
    return read_facts(folder_of(store)) if has_earlier(store) else None


def voting_encoder(store: Store) -> int | None:
    """The number of this project's encoder whose vectors the earlier head reads; None if there is
    none any more, or no earlier head that can be read."""
    with suppress(Damaged, WrittenLater):  # which is said when the project is opened
        earlier = earlier_of(store)
        if earlier is not None and earlier.head is not None:
            return encoder_of(store, earlier)
    return None


def encoder_of(store: Store, earlier: Earlier) -> int | None:
    """The number of this project's encoder that has the earlier one's weights: the one that the
    project began with; None if there is none any more."""
    whose = "" if earlier.encoder is None else earlier.whose
    begun = (
        number
        for number, meta in store.encoders().items()
        if not meta.labels and meta.earlier == whose and earlier.fits(meta.spec)
    )
    return next(begun, None)


def write_facts(folder: Path, earlier: Earlier) -> None:
    """Write all but the weights into a folder."""
    if earlier.head is not None:
        save_file(arrays_of(earlier.head), folder / HEAD)
    (folder / META).write_text(json.dumps(_facts_of(earlier), indent=1))


def read_facts(folder: Path) -> Earlier:
    """What `write_facts` wrote. Raises Damaged when it is not whole, WrittenLater when a later
    release wrote it."""
    facts = json_of(folder / META)
    try:
        if facts.get("format", 1) > FORMAT:
            raise WrittenLater(
                f"{folder} has format {facts['format']}, and this release reads formats up to "
                f"{FORMAT}: a later release wrote it"
            )
        return _earlier_of(folder, facts)
    except (KeyError, TypeError, AttributeError):
        raise Damaged(f"its {META} is not what was written") from None


def keep_verdict(store: Store, verdict: Verdict) -> None:
    """Keep it in place of the one before."""
    path = folder_of(store) / VERDICT
    aside = path.with_name(f"{VERDICT}.unfinished")
    aside.write_text(json.dumps(vars(verdict)))
    aside.replace(path)


def verdict_of(store: Store) -> Verdict | None:
    """The last one; None before there is one. A damaged one counts as none: the next labels make
    another."""
    try:
        return Verdict(**json_of(folder_of(store) / VERDICT))
    except (Damaged, TypeError):
        return None


def check_earlier(store: Store) -> None:
    """Raises Damaged when what the project began with is not whole."""
    earlier, weights = earlier_of(store), weights_of(store)
    if earlier is None or earlier.encoder is None:
        return
    if weights is None or not list(weights.rglob("*.safetensors")):
        raise Damaged("its weights are missing")
    for path in weights.rglob("*.safetensors"):
        check_arrays(path)
    for path in weights.rglob("*.json"):
        json_of(path)


def _facts_of(earlier: Earlier) -> dict[str, Any]:
    spec = earlier.spec
    return {
        "format": FORMAT,
        "origin": earlier.origin,
        "encoder": earlier.encoder,
        "labels": earlier.labels,
        "spec": {**vars(spec), "layout": list(spec.layout)},
        "head": None if earlier.head is None else facts_of(earlier.head),
    }


def _earlier_of(folder: Path, facts: dict[str, Any]) -> Earlier:
    head, spec = None, facts["spec"]
    if facts["head"] is not None:
        with whole(folder / HEAD):
            arrays = load_file(folder / HEAD)
        head = head_of(facts["head"], arrays)
    layout = tuple(spec["layout"])
    is_known = set(layout) <= set(get_args(Medium)) and isinstance(facts["origin"], str)
    if not is_known or not isinstance(facts["labels"], int):
        raise Damaged(f"its {META} is not what was written")
    return Earlier(
        facts["origin"],
        EncoderSpec(**{**spec, "layout": layout}),
        facts["encoder"],
        facts["labels"],
        head,
    )
