"""Let the model label what it can: tell which open tasks need no person, and at which precision, as
far as audit labels prove it; then write its answers into Label Studio, or into a file.

The tasks of which nothing is promised stay with people; --certify has annotators label the audit
tasks first that let the model label more. --undo takes everything back. Where the project's pool is
a dataset, all of this is about the dataset's items, and a file is what can be written.
"""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import closing
from pathlib import Path

from backend.commands.access import add_access_arguments, studio_of
from backend.commands.hint import give_hint
from backend.dataset.record import read_record
from backend.errors import BackendError
from backend.finish.finisher import Finisher, Wanted
from backend.finish.ledger import ANNOTATIONS, PREDICTIONS, TAB
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.certification import start, stop
from backend.project.versions import check_mirror, store_of
from backend.settings import Settings, from_env
from model.finishing.goal import Goal

BUDGET = 100
"""Audit labels that are asked for first, unless another number is given."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    add_access_arguments(parser)
    parser.add_argument(
        "--precision",
        type=share,
        metavar="P",
        help="at least this share of the answers that stand is right (default: GOAL_PRECISION)",
    )
    parser.add_argument(
        "--confidence",
        type=share,
        metavar="C",
        help="how sure that promise is (default: GOAL_CONFIDENCE)",
    )
    parser.add_argument(
        "--each-label",
        action="store_true",
        help="promise it for the answers of each label, not of each question",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="where a task may have several labels: an answer is right only if none is missing",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--to",
        choices=(PREDICTIONS, ANNOTATIONS, TAB),
        help="predictions on all open tasks (default), annotations of those that need no person, "
        "or a tab of the Data Manager with these, to look through and accept there",
    )
    what.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write FILE.jsonl, .csv, .parquet or .json, and nothing into Label Studio; with a "
        "dataset (pool add) a row for each of its items",
    )
    what.add_argument(
        "--certify",
        type=int,
        nargs="?",
        const=BUDGET,
        metavar="LABELS",
        help="have at most so many audit tasks labelled first (default: %(const)s; 0: stop that)",
    )
    what.add_argument("--undo", action="store_true", help="take back what finish has written")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written")
    parser.add_argument(
        "--version", default="", help="for example 2.13 (default: the pinned or the served one)"
    )
    parser.add_argument(
        "--as",
        dest="email",
        default="",
        metavar="EMAIL",
        help="the user of Label Studio whose annotations they become, with --to annotations",
    )
    parser.add_argument(
        "--full-speed",
        action="store_true",
        help="nobody labels meanwhile: do not leave Label Studio most of the time to people",
    )


def run(arguments: Namespace) -> None:
    if arguments.dry_run and (arguments.undo or arguments.certify is not None):
        raise BackendError(
            "--dry-run says what would be labelled, not what --undo and --certify would do, and "
            "these would change something. Leave out one of the two"
        )
    if arguments.email and (arguments.to != ANNOTATIONS or arguments.out or arguments.undo):
        raise BackendError(
            "--as names whose annotations they become, so it goes with --to annotations alone. "
            "Leave it out, or add --to annotations"
        )
    if arguments.version and (arguments.undo or arguments.certify is not None):
        raise BackendError(
            "--version chooses what is written; --undo takes everything back, and --certify asks "
            "for what proves the newest version. Leave it out"
        )
    settings = from_env(os.environ)
    if arguments.to:
        check_tasks(arguments.to, settings, arguments.project)
    goal = goal_of(arguments, settings)
    if arguments.certify is not None:
        certify(settings, arguments.project, goal, arguments.certify)
        return
    finisher = Finisher(studio_of(arguments, settings).of(arguments.project), settings)
    if arguments.undo:
        finisher.undo(full_speed=arguments.full_speed)
        return
    finisher.finish(
        Wanted(
            goal=goal,
            target=arguments.to or PREDICTIONS,
            out=arguments.out,
            version=arguments.version,
            email=arguments.email,
            dry_run=arguments.dry_run,
            full_speed=arguments.full_speed,
        )
    )


def check_tasks(target: str, settings: Settings, project: int) -> None:
    """Raises BackendError where the project's pool is a dataset, of which Label Studio does not
    hold enough to write into."""
    record = read_record(settings.model_dir / str(project))
    if record is not None:
        raise BackendError(
            f"The pool of project {project} is the dataset {record.address}. Most of its "
            f"{record.items:,} items are no tasks in Label Studio, so --to {target} has nothing to "
            f"write them on. Write a file: python -m backend finish --project {project} --out "
            "answers.parquet"
        )


def certify(settings: Settings, project: int, goal: Goal, budget: int) -> None:
    """Have the running server ask for audit labels first, or stop that for a budget of 0."""
    store = store_of(settings.model_dir, project)
    check_mirror(store)
    with closing(Pool(store.folder / MIRROR)) as pool:
        if budget == 0:
            stop(pool)
            print("No audit labels are asked for first any more; those that were given count")
        else:
            start(pool, store, goal, budget)
            print(
                f"At most {budget} audit tasks come first in the queue, to prove a precision of "
                f"{goal.precision:g}; the status page says how far that is"
            )
    print(give_hint(settings, project))


def share(text: str) -> float:
    """A share between 0 and 1. Raises ArgumentTypeError for a percentage."""
    try:
        value = float(text.rstrip("% "))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number such as 0.95") from None
    if 1.0 < value < 100.0:
        raise ArgumentTypeError(f"{text} is not between 0 and 1; did you mean {value / 100:g}?")
    return value


def goal_of(arguments: Namespace, settings: Settings) -> Goal:
    """Raises BackendError for what cannot be promised."""
    precision, confidence = arguments.precision, arguments.confidence
    try:
        return Goal(
            settings.goal_precision if precision is None else precision,
            settings.goal_confidence if confidence is None else confidence,
            arguments.each_label,
            arguments.whole,
        )
    except ValueError as error:
        raise BackendError(f"{str(error)[:1].upper()}{str(error)[1:]}") from error
