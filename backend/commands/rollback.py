"""Go back to an earlier version, or forward to the newest; with neither, print what is pinned.

A pinned version is served as it is: predictions and the queue come from its encoder and its head.
Labels are still collected and audit tasks still measured, but nothing is trained until --latest.
"""

import os
from argparse import ArgumentParser, Namespace

import requests

from backend.project.pin import pin, pinned_name, unpin
from backend.project.versions import store_of, version_of
from backend.queue.webhook import send_hint, webhook_url
from backend.settings import Settings, from_env
from backend.studio.client import about_proxy

TIMEOUT = 5.0
"""Seconds. The server answers a webhook in milliseconds, except while it is starting."""


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


def give_hint(settings: Settings, project: int) -> str:
    """Make a running server look at the project now. Returns a line that says whether it did."""
    address = settings.own_url
    url = webhook_url(address)
    try:
        answer = send_hint(address, project, settings.password, TIMEOUT)
        if answer.ok:
            return "The server applies this now"
        trouble = f"{url} answers {answer.status_code}"
    except requests.RequestException:
        trouble = f"nothing answers at {url}{about_proxy(url)}"
    wait = f"(POLL_SECONDS={settings.poll_seconds:g})"
    return f"The server applies this at its next poll {wait} or start: {trouble}"
