"""Run the web server."""

import os
import sys
from argparse import ArgumentParser, Namespace

from backend.settings import from_env
from backend.trainer.child import ENVIRONMENT


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = "All settings are environment variables: python -m backend settings"


def run(_: Namespace) -> None:
    from_env(os.environ)  # a setting that cannot be used ends it here, with its sentence
    command = [sys.executable, "-m", "backend.web.server"]
    os.execve(sys.executable, command, {**ENVIRONMENT, **os.environ})
