"""The backend's commands beside its server, as a person runs them, but in the process of the tests:
one of its own loads for a second what is loaded here."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from backend.__main__ import main


class Done(NamedTuple):
    """The exit status, and what it said on standard output and on standard error."""

    status: int
    out: str
    err: str


def command(*words: str, environ: Mapping[str, str]) -> Done:
    """What `python -m backend WORDS` does with these variables besides those that are there."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["backend", *words])
        for name, value in environ.items():
            patch.setenv(name, value)
        status = main()
    return Done(status or 0, out.getvalue(), err.getvalue())
