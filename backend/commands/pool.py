"""Give a project a pool outside of Label Studio: a dataset in Parquet, JSON lines or CSV. What is
worth asking for is imported, a few hundred items at a time; Label Studio never holds the rest.

    python -m backend pool add --project 7 s3://bucket/clips --id clip_id
    python -m backend pool show --project 7
    python -m backend pool remove --project 7
"""

import os
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from backend.commands.access import add_access_arguments, studio_of
from backend.commands.hint import give_hint
from backend.dataset.adding import add
from backend.dataset.record import Record, folder_of, read_record
from backend.errors import BackendError, DatasetDamaged
from backend.folder.private import keep_private
from backend.interface.parse import parse
from backend.progress import waiting
from backend.project.encoder_spec import ignored_by
from backend.settings import Settings, from_env


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=("add", "show", "remove"), help="what to do")
    parser.add_argument(
        "dataset",
        nargs="?",
        default="",
        help="with add: a file or a folder of .parquet, .jsonl, .ndjson, .csv or .tsv files, here "
        "or in a bucket, such as s3://bucket/folder",
    )
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    parser.add_argument(
        "--id", dest="id_column", default="id", help="the column of the ids (default: %(default)s)"
    )
    add_access_arguments(parser)


def run(arguments: Namespace) -> None:
    settings = from_env(os.environ)
    if bool(arguments.dataset) != (arguments.what == "add"):
        raise BackendError(
            "Name the dataset with add, and only there: python -m backend pool add --project "
            f"{arguments.project} DATASET"
        )
    folder = settings.model_dir / str(arguments.project)
    if arguments.what == "add":
        print(added(arguments, settings, folder))
    elif arguments.what == "remove":
        print(removed(folder))
    else:
        print(about(_known(folder)))
        return
    print(give_hint(settings, arguments.project))


def added(arguments: Namespace, settings: Settings, folder: Path) -> str:
    """Add the dataset. Returns what came of it, in sentences."""
    if not folder.is_dir():
        raise BackendError(
            f"The server that uses MODEL_DIR={settings.model_dir} knows no project "
            f"{arguments.project}. Connect it first (python -m backend connect), and give this "
            "command the MODEL_DIR of the server"
        )
    keep_private(settings.model_dir)
    described = studio_of(arguments, settings).of(arguments.project).describe()
    config = parse(described["label_config"], ignored_by(settings), settings.aliases)
    address = absolute(arguments.dataset)
    with waiting(f"reading {address}") as bar:
        found = add(folder, address, arguments.id_column, config, lambda _: bar.update())
    sentences = [about(found.record), f"{found.new:,} are new"]
    if found.known:
        sentences.append(f"{found.known:,} were known already")
    if found.blank:
        sentences.append(
            f"{found.blank:,} rows are left out because they show nothing, such as "
            f"{found.first_blank!r}"
        )
    if found.others:
        sentences.append(
            f"{len(found.others):,} files are left out because nothing here reads them, such as "
            f"{found.others[0]}"
        )
    return ". ".join(sentences)


def absolute(address: str) -> str:
    """The address as it is the same in every folder."""
    return address if "://" in address else str(Path(address).expanduser().resolve())


def removed(folder: Path) -> str:
    """Take the dataset away, damaged or not; the tasks that came from it stay."""
    try:
        what = _known(folder).address
    except DatasetDamaged:
        what = "What was added"
    doomed = folder_of(folder).with_name("dataset.unfinished")
    shutil.rmtree(doomed, ignore_errors=True)
    folder_of(folder).rename(doomed)  # never seen half deleted
    shutil.rmtree(doomed)
    return (
        f"The project has no dataset any more. {what} itself is as it was, and so are "
        "the tasks that came from it"
    )


def about(record: Record) -> str:
    """The dataset, in a sentence without a full stop."""
    return f"The dataset {record.address} has {record.items:,} items"


def _known(folder: Path) -> Record:
    record = read_record(folder)
    if record is None:
        raise BackendError(
            f"The project in {folder} has no dataset. Add one: python -m backend pool add "
            f"--project {folder.name} DATASET --id COLUMN"
        )
    return record
