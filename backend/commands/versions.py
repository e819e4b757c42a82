"""List a project's versions, or show all that is known of one."""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.annotations import Json
from backend.errors import UnknownProject, UnknownVersion
from backend.history import reached
from backend.pin import pinned_name
from backend.settings import from_env
from model.store import EncoderMeta, Store, Version


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    parser.add_argument("--version", default="", help="show this one as JSON, for example 2.13")


def run(arguments: Namespace) -> None:
    settings = from_env(os.environ)
    store = store_of(settings.model_dir, arguments.project)
    if arguments.version:
        facts = everything_of(store, version_of(store, arguments.version))
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        print(listing(versions_of(store), store.encoders(), pinned_name(store.folder)))
        for reason in reached(store.folder, settings):
            print(f"Labelling may stop. {reason.sentence}")


def store_of(model_dir: Path, project: int) -> Store:
    """The project's versions. Raises UnknownProject when MODEL_DIR has none of its files."""
    if not (model_dir / str(project) / "versions").is_dir():
        known = sorted(int(path.parent.name) for path in model_dir.glob("[0-9]*/versions"))
        raise UnknownProject(
            f"MODEL_DIR={model_dir} holds no project {project}; "
            f"it holds {', '.join(map(str, known)) or 'none'}"
        )
    return Store(model_dir / str(project))


def version_of(store: Store, name: str) -> Version:
    """The version of this name. Raises UnknownVersion when there is none."""
    known = store.version_names()
    if name not in known:
        raise UnknownVersion(f"There is no version {name}; known are {', '.join(known) or 'none'}")
    return store.load_version(name)


def versions_of(store: Store) -> list[Version]:
    """All versions, newest last."""
    versions = [store.load_version(name) for name in store.version_names()]
    return sorted(versions, key=lambda version: float(version.meta["created_at"]))


def everything_of(store: Store, version: Version) -> Json:
    """A version's meta and its encoder's, with numbers in place of the lists of tasks."""
    encoder = store.encoders().get(version.encoder)
    return {
        "version": version.name,
        **version.meta,
        "training_labels": len(version.training),
        "audit_labels": len(version.validation),
        "shortlist": len(version.shortlist),
        "encoder_meta": None if encoder is None else vars(encoder),
    }


def listing(
    versions: Sequence[Version], encoders: Mapping[int, EncoderMeta], pinned: str | None = None
) -> str:
    """A table of the versions, newest last and the pinned one marked; a line on each encoder."""
    if not versions:
        return "There is no version yet: the first comes with the first order"
    rows = [row_of(version, pinned) for version in versions]
    header = list(dict.fromkeys(name for row in rows for name in row))
    table = aligned([header, *([row.get(name, "") for name in header] for row in rows)])
    about = [f"Encoder {number}: {described(meta)}" for number, meta in encoders.items()]
    return "\n".join([*table, "", *about, f"The newest version is {versions[-1].name}"])


def row_of(version: Version, pinned: str | None = None) -> dict[str, str]:
    """The table's cells by the name of their column."""
    training, audit = len(version.training), len(version.validation)
    return {
        "version": _marked(version, pinned),
        "made": moment(version),
        "encoder": str(version.encoder),
        "labels": str(training + audit),
        "training": str(training),
        "audit": str(audit),
        "strategy": version.meta.get("strategy", ""),
        **figures(version),
    }


def _marked(version: Version, pinned: str | None) -> str:
    if version.name == pinned:
        return f"{version.name} (pinned)"
    head_of = version.meta.get("head_of")
    return f"{version.name} (head of {head_of})" if head_of else version.name


def moment(version: Version) -> str:
    """When the version was made, in local time."""
    return datetime.fromtimestamp(version.meta["created_at"]).strftime("%Y-%m-%d %H:%M")


def figures(version: Version) -> dict[str, str]:
    """What was measured on the audit labels, as text: numbers, and estimates with their interval.

    Groups of figures, such as those of each label, are left out.
    """
    measured = version.meta.get("validation", {})
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
    return encoder.base + (f", fine-tuned at {encoder.labels} labels" if encoder.labels else "")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines in which the columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
