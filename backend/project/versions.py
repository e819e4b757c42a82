"""A project's versions, and what commands and pages say about them. Imports no torch."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.errors import BackendError, UnknownProject, UnknownVersion
from backend.folder.format import check_format
from backend.mirror.pool import FILE as MIRROR
from model.storage.damage import Damaged, WrittenLater
from model.storage.store import EncoderMeta, Store, Version

log = logging.getLogger(__name__)

FIRST_CONFIDENCE = 0.8
"""The least probability that the first versions pre-annotate, because people follow a wrong
suggestion. Answers of this probability from the names of the labels alone were right for at least
94 % of the texts on seven public sets with one label."""
CALIBRATED_BY, SETTLED_BY = 10, 30
"""With this many audit labels, which calibrate the probabilities, or this many labels in all, a
version is no longer one of the first. Audit labels alone would not do: with one task in ten they
come with the hundredth label, and with AUDIT_SHARE=0 there are none."""


def store_of(model_dir: Path, project: int) -> Store:
    """The project's versions. Raises UnknownProject when MODEL_DIR has none of its files, NewerData
    when a later release wrote them."""
    if not (model_dir / str(project) / "versions").is_dir():
        names = [path.parent.name for path in model_dir.glob("*/versions")]
        known = sorted(int(name) for name in names if name.isdigit())
        raise UnknownProject(
            f"MODEL_DIR={model_dir} holds no project {project}; "
            f"it holds {', '.join(map(str, known)) or 'none'}. Give this command the MODEL_DIR of "
            "the server; if that is a relative path, run it in the same folder"
        )
    check_format(model_dir / str(project))
    return Store(model_dir / str(project))


def check_mirror(store: Store) -> None:
    """Raises BackendError where there is no mirror of the project yet. Opening it would make one,
    and the server takes up every folder that has one."""
    if not (store.folder / MIRROR).is_file():
        raise BackendError(
            f"{store.folder} has no copy of the tasks yet: start the server, and wait until it has "
            "read the project"
        )


def version_of(store: Store, name: str) -> Version:
    """The version of this name. Raises UnknownVersion when there is none, or it cannot be read."""
    known = store.version_names()
    if name not in known:
        raise UnknownVersion(f"There is no version {name}; known are {', '.join(known) or 'none'}")
    try:
        return store.load_version(name)
    except Damaged as error:
        raise UnknownVersion(f"Version {name} is damaged: {error}. Choose another one") from error
    except WrittenLater as error:
        raise UnknownVersion(
            f"Version {name} cannot be read: {error}. Choose another one"
        ) from error


def versions_of(store: Store) -> list[Version]:
    """All versions that can be read, newest last."""
    versions = []
    for name in store.version_names():
        try:
            versions.append(version_of(store, name))
        except UnknownVersion as error:
            log.warning("%s", error)
    return sorted(versions, key=lambda version: float(version.facts.created_at))


def labels_of_the_lot(version: Version) -> int:
    """How many labels a version knows without those that were asked for to prove something: they
    teach nothing, and however many there are, the version stays the same."""
    audits = len(version.validation)
    measured = int(version.facts.validation.get("examples", audits))
    return version.facts.labels - max(0, audits - measured)


def least_confidence(version: Version, question: str = "") -> float:
    """The least probability with which a version pre-annotates an answer to the question of this
    name. A question that nobody has answered yet keeps that of the first versions, because nothing
    but names supports its answers."""
    if question in version.facts.unanswered:
        return FIRST_CONFIDENCE
    audits = len(version.validation)
    is_first = audits < CALIBRATED_BY and len(version.training) + audits < SETTLED_BY
    return FIRST_CONFIDENCE if is_first else 0.0


def moment(version: Version) -> str:
    """When the version was made, in local time."""
    return datetime.fromtimestamp(version.facts.created_at).strftime("%Y-%m-%d %H:%M")


def figures(version: Version) -> dict[str, str]:
    """What was measured on the audit labels, as text: numbers, and estimates with their interval.

    Groups of figures, such as those of each label, are left out.
    """
    measured = version.facts.validation
    texts = {name: _figure(value) for name, value in measured.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _figure(value: Any) -> str | None:
    if isinstance(value, int | float):
        return f"{value:.3g}"
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
    return None


def described(encoder: EncoderMeta) -> str:
    """What an encoder was made from."""
    bases = [encoder.base, encoder.image_base, encoder.audio_base, encoder.video_base]
    parts = [" and ".join(filter(None, bases))]
    parts += [f"begun with {encoder.earlier}"] if encoder.earlier else []
    parts += [f"fine-tuned at {encoder.labels} labels"] if encoder.labels else []
    return ", ".join(parts)
