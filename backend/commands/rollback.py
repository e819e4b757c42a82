"""Go back to an earlier version, or forward to the newest; with neither, print what is pinned.

A pinned version is served as it is: predictions and the queue come from its encoder and its head.
Labels are still collected and audit tasks still measured, but nothing is trained until --latest.
"""

import os
from argparse import ArgumentParser, Namespace

from backend.commands.hint import give_hint
from backend.project.pin import pin, pinned_name, unpin
from backend.project.versions import store_of, version_of
from backend.settings import from_env


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--project", type=int, required=True, help="the project's number")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--to", metavar="VERSION", help="pin this version, for example 2.13")
    wanted.add_argument("--latest", action="store_true", help="remove the pin and resume learning")


def run(arguments: Namespace) -> None:
    settings = from_env(os.environ)
    store = store_of(settings.model_dir, arguments.project)
    if arguments.to is not None:
        pin(store, version_of(store, arguments.to))
    elif arguments.latest:
        unpin(store)
    print(state(pinned_name(store.folder)))
    if arguments.to is not None or arguments.latest:
        print(give_hint(settings, arguments.project))


def state(name: str | None) -> str:
    if name is None:
        return "No version is pinned: the newest encoder and all labels determine the order"
    return f"Version {name} is pinned: its encoder and head determine the order; nothing is learnt"
