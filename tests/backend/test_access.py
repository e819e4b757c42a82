"""What commands that call Label Studio send, and where."""

from argparse import Namespace
from contextlib import closing

import pytest

from backend.commands.access import studio_of
from backend.settings import from_env
from tests.backend.web import Answer, Web

TOKEN = "0" * 40


@pytest.mark.parametrize(
    ("names", "gate"), [("", "open"), ("the same", "open"), ("another", None), ("its own", None)]
)
def test_a_proxys_headers_go_to_its_own_address_alone(names: str, gate: str | None) -> None:
    """With --url they were left out, also where it named the address of the settings."""
    with closing(Web()) as web:
        web.answers["/api/version"] = Answer(b"{}")
        here, there = web.url, web.url.replace("127.0.0.1", "localhost")
        urls = {"": "", "the same": f"{here}/", "its own": here.replace("//", "//us:pass@")}
        settings = from_env(
            {"LABEL_STUDIO_URL": here, "LABEL_STUDIO_HEADERS": '{"X-Gate": "open"}'}
        )
        arguments = Namespace(url=urls.get(names, there), key=TOKEN)
        studio_of(arguments, settings).session.json("GET", "/api/version")
        (seen,) = web.seen
    assert seen.headers.get("X-Gate") == gate
    own = "Basic dXM6cGFzcw=="
    assert seen.authorization == (own if names == "its own" else f"Token {TOKEN}")
