"""Print every setting, its present value and what it means."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import fields

from backend.settings import Settings, from_env

SECRETS = ("label_studio_api_key", "basic_auth_pass")


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = "A setting is changed by the environment variable of its name."


def run(_: Namespace) -> None:
    current = from_env(os.environ)
    for each in fields(Settings):
        value = getattr(current, each.name)
        shown = "(set)" if value and each.name in SECRETS else value
        print(f"{each.name.upper()}={shown}\n    {each.metadata['help']}")
