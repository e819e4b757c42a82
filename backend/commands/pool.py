"""Give a project a pool outside of Label Studio: a dataset in Parquet, JSON lines or CSV. What is
worth asking for is imported, a few hundred items at a time; Label Studio never holds the rest.

    python -m backend pool add --project 7 s3://bucket/clips --id clip_id
    python -m backend pool show --project 7
    python -m backend pool stream --project 7 --watch --labels-a-day 200
    python -m backend pool remove --project 7
"""

import os
import shutil
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from backend.commands.access import add_access_arguments, studio_of
from backend.commands.hint import give_hint
from backend.dataset.adding import add
from backend.dataset.alone import alone
from backend.dataset.arriving import is_sent, sent_files
from backend.dataset.record import Record, folder_of, read_record, rows_of, write_record
from backend.dataset.rows import about_blank
from backend.dataset.stream import end_stream
from backend.errors import BackendError, DatasetDamaged
from backend.folder.private import keep_private
from backend.interface.parse import parse
from backend.progress import waiting
from backend.project.encoder_spec import ignored_by
from backend.settings import Settings, from_env

MOST_LABELS = 1_000_000
"""A day."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=("add", "show", "stream", "remove"), help="what to do")
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
    parser.add_argument(
        "--watch",
        action=BooleanOptionalAction,
        help="with stream: whether the server looks for new files at the dataset's address, every "
        "minute",
    )
    parser.add_argument(
        "--labels-a-day",
        type=int,
        metavar="N",
        help="with stream: keep about so many of the items that arrive for people, each at once; 0 "
        "lets the model choose from all items alike",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with remove: also if items were sent to the server, which stand nowhere else",
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
    elif arguments.what == "stream":
        print(streamed(folder, arguments.watch, arguments.labels_a_day))
    elif arguments.what == "remove":
        print(removed(folder, is_forced=arguments.force))
    else:
        record = _known(folder)
        print(f"{about(record)}. {about_stream(record)}")
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
        sentences.append(about_blank(found.blank, found.first_blank))
    if found.others:
        sentences.append(
            f"{len(found.others):,} files are left out because nothing here reads them, such as "
            f"{found.others[0]}"
        )
    return ". ".join(sentences)


def streamed(folder: Path, watched: bool | None, labels_a_day: int | None) -> str:
    """Say what becomes of items that arrive. Returns how it is now, in sentences."""
    if watched is None and labels_a_day is None:
        raise BackendError("Say what to change: --watch, --no-watch, --labels-a-day N")
    if labels_a_day is not None and not 0 <= labels_a_day <= MOST_LABELS:
        raise BackendError(
            f"--labels-a-day must be between 0 and {MOST_LABELS:,}, not {labels_a_day}: it is for "
            "how many of the items that arrive people have time each day"
        )
    _known(folder)
    with alone(folder):
        record = _known(folder)
        if watched and is_sent(record):
            raise BackendError(
                f"All items of this dataset were sent to {record.address}: it has no folder that "
                "could be watched"
            )
        if labels_a_day is not None and labels_a_day != record.labels_a_day:
            end_stream(folder)  # what was kept by another budget
        record = replace(
            record,
            watched=record.watched if watched is None else watched,
            labels_a_day=record.labels_a_day if labels_a_day is None else labels_a_day,
        )
        write_record(folder, record)
    return f"{about(record)}. {about_stream(record)}"


def about_stream(record: Record) -> str:
    """What becomes of items that arrive, in sentences without the last full stop."""
    looked = "New files there are added" if record.watched else "New files there are not added"
    if is_sent(record):
        looked = "What is sent there is added"
    elif record.sent:
        looked += ", and so is what is sent to the server"
    chosen = "The model chooses from all items alike"
    if record.labels_a_day:
        chosen = (
            f"Of the items that arrive, about {record.labels_a_day:,} a day are kept for people"
        )
    return f"{looked}. {chosen}"


def absolute(address: str) -> str:
    """The address as it is the same in every folder."""
    return address if "://" in address else str(Path(address).expanduser().resolve())


def removed(folder: Path, *, is_forced: bool = False) -> str:
    """Take the dataset away, damaged or not; the tasks that came from it stay."""
    record = None
    with suppress(DatasetDamaged):
        record = _known(folder)
    if record is None and not is_forced:
        raise BackendError(
            "What is written down of this dataset is damaged, so nobody knows whether items were "
            f"sent to the server, which stand nowhere else. Their rows are in {rows_of(folder)}: "
            "copy them if so, then give this command with --force"
        )
    if record is not None and not is_forced and (record.sent or sent_files(folder)):
        raise BackendError(
            "Items of this dataset were sent to the server and stand nowhere else. Write those "
            "that nobody has labelled to a file first (python -m backend finish --project "
            f"{folder.name} --out items.jsonl), or give up all of them with --force"
        )
    doomed = folder_of(folder).with_name("dataset.unfinished")
    shutil.rmtree(doomed, ignore_errors=True)
    with alone(folder):  # what was being added would make it again
        folder_of(folder).rename(doomed)  # never seen half deleted
    shutil.rmtree(doomed)
    gone = "The project has no dataset any more"
    if record is not None and is_sent(record):
        return f"{gone}. The tasks that came from it are as they were"
    what = "What was added" if record is None else record.address
    return f"{gone}. {what} itself is as it was, and so are the tasks that came from it"


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
