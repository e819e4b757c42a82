"""Write a version as a plain transformers folder, for use without Label Studio and this backend.

pipeline("text-classification", DIR, truncation=True) loads it; if the version marks spans,
pipeline("token-classification", DIR, aggregation_strategy="simple").
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from backend.errors import BackendError
from backend.project.versions import described, figures, moment, store_of, version_of, versions_of
from backend.settings import from_env
from backend.types import Json
from model.encoders.text import TextEncoder
from model.export import check, export
from model.heads.head import Head
from model.storage.earlier import Earlier
from model.storage.store import HERE, EncoderMeta, Store, Version
from model.types import has_context, in_words, is_of_text


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write, new or empty")
    parser.add_argument("--version", default="", help="for example 2.13 (default: the newest)")


def run(arguments: Namespace) -> None:
    folder: Path = arguments.out
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BackendError(f"{folder} exists and is not an empty folder; choose another with --out")
    store = store_of(from_env(os.environ).model_dir, arguments.project)
    version, head = chosen(store, arguments.version)
    encoder, meta = encoder_of(store, version, head)
    origin = origin_of(arguments.project, version, head, meta)
    export(encoder, head, folder, facts_of(version, meta), origin)
    print(f"Version {version.name} was written to {folder}; its README.md says how to use it")


def chosen(store: Store, name: str) -> tuple[Version, Head]:
    """The version of that name, or the newest that has a head. Raises BackendError."""
    candidates = [version_of(store, name)] if name else versions_of(store)
    for version in reversed(candidates):
        if version.head is not None:
            return version, version.head
    which = f"Version {name} was" if name else "All versions were"
    raise BackendError(f"{which} made before the first label: there is nothing to export yet")


def encoder_of(store: Store, version: Version, head: Head) -> tuple[TextEncoder, EncoderMeta]:
    """The version's encoder. Raises BackendError when it is gone or cannot be exported."""
    meta = store.encoders().get(version.encoder)
    if meta is None:
        raise BackendError(
            f"Encoder {version.encoder} of version {version.name} has been deleted; "
            "export a newer version"
        )
    if meta.spec.layout == ("proposals",):
        folder = store.tuned_folder(version.encoder)
        where = f" It is in {folder}" if folder else f" It is {meta.image_base}, as you named it"
        raise BackendError(
            f"Version {version.name} draws boxes in pictures, and its head is not exported. Its "
            f"detector is one that transformers loads already.{where}"
        )
    if not is_of_text(meta.spec.layout):
        raise BackendError(
            f"Version {version.name} reads {in_words(meta.spec.layout)}; only versions that "
            "read nothing but text can be exported"
        )
    if "beside" in meta.spec.layout:
        raise BackendError(
            f"Version {version.name} marks spans in a text that it reads with another one, such as "
            "a question, and plain transformers models read one text"
        )
    if has_context(meta.spec.layout):
        raise BackendError(
            f"Version {version.name} reads {in_words(meta.spec.layout)}: which is better depends "
            "on it, so no text has a score of its own that could be exported"
        )
    try:
        encoder = TextEncoder(
            str(store.tuned_folder(version.encoder) or meta.base), meta.max_tokens, meta.windows
        )
        check(encoder, head)
    except (OSError, ValueError) as error:
        raise BackendError(f"Version {version.name} cannot be exported: {error}") from error
    return encoder, meta


def origin_of(project: int, version: Version, head: Head, encoder: EncoderMeta) -> Earlier:
    """What another project can take over from the folder, see backend.project.transfer."""
    number = version.encoder if encoder.source == HERE else None
    return Earlier(f"project {project}", encoder.spec, number, encoder.labels, head)


def facts_of(version: Version, encoder: EncoderMeta) -> Json:
    """What the folder's README says about a version."""
    return {
        "version": version.name,
        "made": moment(version),
        "encoder": described(encoder),
        "training labels": len(version.training),
        "audit labels, drawn at random": len(version.validation),
        "query strategy": version.facts.strategy,
        **figures(version),
    }
