"""What Label Studio's refusals become: a sentence that says how to go on."""

from collections.abc import Iterator

import pytest

from backend.errors import StudioError
from backend.studio.session import Session
from tests.backend.web import Answer, Web, redirect


@pytest.fixture
def web() -> Iterator[Web]:
    started = Web()
    yield started
    started.close()


def test_a_redirect_that_loses_a_write_is_reported(web: Web) -> None:
    """Of http:// a proxy makes https://, and of each POST a GET: Label Studio answered 405."""
    web.answers["/api/projects/"] = redirect(f"{web.url}/behind/")
    web.answers["/behind/"] = Answer(b"{}", headers={"Content-Type": "application/json"})
    session = Session(web.url, "token", repeats=0)
    assert session.json("GET", "/api/projects/") == {}
    with pytest.raises(StudioError, match=f"redirects to {web.url}/behind/.*LABEL_STUDIO_URL"):
        session.json("POST", "/api/projects/", json={})


def test_a_certificate_that_is_not_accepted_is_reported(web: Web) -> None:
    session = Session(web.url.replace("http:", "https:"), "token", repeats=0)
    with pytest.raises(StudioError, match=r"REQUESTS_CA_BUNDLE.*plain HTTP"):
        session.json("GET", "/api/projects/")


def test_what_label_studio_says_about_a_refusal_is_passed_on(web: Web) -> None:
    body = b'{"detail": "URL resolves to a reserved network address."}'
    web.answers["/api/ml"] = Answer(body, 403, {"Content-Type": "application/json"})
    with pytest.raises(StudioError, match=r"network address\. If .* SSRF_PROTECTION_ENABLED=false"):
        Session(web.url, "token").json("GET", "/api/ml")
