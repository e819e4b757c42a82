"""Run the web server: gunicorn with one process and several threads."""

import os
import sys
from argparse import ArgumentParser, Namespace

from backend.project.lock import held
from backend.project.private import keep_private
from backend.settings import from_env
from backend.trainer.process import ENVIRONMENT

ACCESS_LOG = ["--access-logfile", "-", "--access-logformat", '%(t)s "%(r)s" %(s)s %(M)s ms']


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = "All settings are environment variables: python -m backend settings"


def run(_: Namespace) -> None:
    settings = from_env(os.environ)
    keep_private(settings.model_dir)
    held(settings.model_dir).close()  # said here in a sentence; gunicorn's process holds it
    command = [
        sys.executable, "-m", "gunicorn",
        "--bind", f"{settings.host}:{settings.port}",
        # One process: it holds the loops and the models that they serve.
        "--workers", "1", "--worker-class", "gthread", "--threads", str(settings.threads),
        "--timeout", "0", "--graceful-timeout", "5", "--no-control-socket",
        "--log-level", settings.log_level.lower(),
        *(ACCESS_LOG if settings.log_level == "DEBUG" else []),
        "backend.web.app:create_app()",
    ]  # fmt: skip
    os.execve(sys.executable, command, {**ENVIRONMENT, **os.environ})
