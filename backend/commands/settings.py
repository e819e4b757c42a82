"""Print every setting, its present value and what it means."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import fields

from backend.settings import Settings, from_env

SECRETS = ("label_studio_api_key", "label_studio_headers", "basic_auth_pass")
HEADINGS = {False: "# Settings", True: "\n# Advanced: hardly anybody needs these"}


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = "A setting is changed by the environment variable of its name."


def run(_: Namespace) -> None:
    current = from_env(os.environ)
    for advanced, heading in HEADINGS.items():
        print(heading)
        for each in fields(Settings):
            if each.metadata["advanced"] == advanced:
                print(_line(each.name, getattr(current, each.name), each.metadata["help"]))


def _line(name: str, value: object, help: str) -> str:
    shown = "(set)" if value and name in SECRETS else value
    return f"{name.upper()}={shown}\n    {help}"
