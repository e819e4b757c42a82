"""List a project's versions, or show everything known about one."""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence

from backend.project.history import reached
from backend.project.pin import pinned_name, served_name
from backend.project.versions import described, figures, moment, store_of, version_of, versions_of
from backend.settings import from_env
from backend.types import Json
from model.storage.store import EncoderMeta, Store, Version


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
        marks = {served_name(store.folder): "served", pinned_name(store.folder): "pinned"}
        print(listing(versions_of(store), store.encoders(), marks))
        for reason in reached(store.folder, settings):
            print(f"Labelling may stop. {reason.sentence}")


def everything_of(store: Store, version: Version) -> Json:
    """The metadata of a version and its encoder, with counts in place of the lists of tasks."""
    encoder = store.encoders().get(version.encoder)
    return {
        "version": version.name,
        **_facts(version),
        "training_labels": len(version.training),
        "audit_labels": len(version.validation),
        "shortlist": len(version.shortlist),
        "encoder_meta": None if encoder is None else vars(encoder),
    }


def _facts(version: Version) -> Json:
    head = version.head
    about = {} if head is None else {"kind": head.kind, "classes": list(head.labels)}
    return {"encoder": version.encoder, **about, **version.facts.to_json()}


def listing(
    versions: Sequence[Version],
    encoders: Mapping[int, EncoderMeta],
    marks: Mapping[str | None, str],
) -> str:
    """A table of the versions, newest last, with marks; then a line on each encoder."""
    if not versions:
        return "There is no version yet: the first one comes with the first order"
    rows = [row_of(version, marks.get(version.name, "")) for version in versions]
    header = list(dict.fromkeys(name for row in rows for name in row))
    table = aligned([header, *([row.get(name, "") for name in header] for row in rows)])
    about = [f"Encoder {number}: {described(meta)}" for number, meta in encoders.items()]
    return "\n".join([*table, "", *about])


def row_of(version: Version, mark: str) -> dict[str, str]:
    """The table's cells by column name."""
    training, audit = len(version.training), len(version.validation)
    return {
        "version": _marked(version, mark),
        "made": moment(version),
        "encoder": str(version.encoder),
        "labels": str(training + audit),
        "training": str(training),
        "audit": str(audit),
        "strategy": version.facts.strategy,
        **figures(version),
    }


def _marked(version: Version, mark: str) -> str:
    head_of = version.facts.head_of
    notes = [*([mark] if mark else []), *([f"head of {head_of}"] if head_of else [])]
    return f"{version.name} ({', '.join(notes)})" if notes else version.name


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
