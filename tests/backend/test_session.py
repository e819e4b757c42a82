"""What is sent to Label Studio, and what its refusals become: a sentence that says how to go on."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import BadSetting, StudioError
from backend.settings import from_env
from backend.studio.api import Studio
from backend.studio.client import about_proxy
from backend.studio.session import Session, is_up
from backend.studio.tasks import FAILING
from backend.types import UNSENT, Json
from tests.backend.web import Answer, Web, redirect

PERSONAL = "a.b.c"
BASIC = f"Basic {b64encode(b'us:p@ss').decode()}"
JSON = {"Content-Type": "application/json"}
EMPTY = Answer(b"{}", headers=JSON)
PAGE = b"<html><head><title>%s</title></head><body>" + b"<p>many words</p>" * 500


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~/.netrc with a password for all hosts."""
    path = tmp_path / "netrc"
    path.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(path))


def behind_login(web: Web, token: str, **variables: str) -> Session:
    """A session as the settings make it, with a user name and a password in the address."""
    url = web.url.replace("://", "://us:p%40ss@")
    settings = from_env({"LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": token, **variables})
    return Session(settings.label_studio_url, token, headers=settings.studio_headers)


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


def test_our_token_is_sent_whatever_stands_in_netrc(web: Web, netrc: None) -> None:
    """The password of ~/.netrc took its place in each call, and the token was blamed."""
    web.answers["/health"] = web.answers["/api/projects/"] = EMPTY
    web.answers["/moved/"] = redirect("/api/projects/")
    web.answers["/api/token/refresh/"] = Answer(b'{"access": "short"}', headers=JSON)
    Session(web.url, "token").call("GET", "/moved/")
    Session(web.url, PERSONAL).call("GET", "/api/projects/")
    is_up(web.url)
    assert [(seen.path, seen.authorization) for seen in web.seen] == [
        ("/moved/", "Token token"),
        ("/api/projects/", "Token token"),
        ("/api/token/refresh/", None),
        ("/api/projects/", "Bearer short"),
        ("/health", None),
    ]


def test_a_password_in_the_address_is_that_of_a_proxy(web: Web) -> None:
    """It took the place of the token; Label Studio reads a legacy token from X-Api-Key, too."""
    web.answers["/api/projects/"] = web.answers["/health"] = EMPTY
    session = behind_login(web, "token", LABEL_STUDIO_HEADERS='{"CF-Access-Client-Id": "me"}')
    session.json("GET", "/api/projects/")
    session.answer("GET", "/health", 5.0)
    sent = ("Authorization", "X-Api-Key", "CF-Access-Client-Id")
    assert [[seen.headers.get(name) for name in sent] for seen in web.seen] == [
        [BASIC, "token", "me"],
        [BASIC, None, "me"],
    ]
    with pytest.raises(StudioError) as caught:
        session.json("GET", "/api/none/")
    assert session.url == web.url
    assert "p@ss" not in str(caught.value) and "p%40ss" not in str(caught.value)


def test_a_personal_token_has_no_place_beside_a_password(web: Web) -> None:
    with pytest.raises(BadSetting, match=r"both need the header Authorization.*legacy token"):
        behind_login(web, PERSONAL)


def test_another_host_is_sent_nothing_of_ours(web: Web, netrc: None) -> None:
    """requests itself drops the header Authorization alone, and reads ~/.netrc again."""
    other = web.url.replace("127.0.0.1", "localhost")
    web.answers["/health"], web.answers["/other"] = redirect(f"{other}/other"), EMPTY
    session = behind_login(web, "token", LABEL_STUDIO_HEADERS='{"X-Secret": "s"}')
    session.call("GET", "/health")
    first, second = web.seen
    ours = {"Authorization", "X-Api-Key", "X-Secret"}
    assert ours <= first.headers.keys()
    assert not ours & second.headers.keys()


def test_proxies_of_the_environment_are_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    monkeypatch.setenv("no_proxy", "")
    web.answers["http://studio.invalid/health"] = web.answers["/health"] = EMPTY
    Session("http://studio.invalid", "token", repeats=0).call("GET", "/health")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Session(web.url, "token", repeats=0).call("GET", "/health")
    assert web.paths() == ["http://studio.invalid/health", "/health"]
    assert {seen.authorization for seen in web.seen} == {"Token token"}


@pytest.mark.parametrize("is_down", [True, False])
def test_a_proxy_is_named_when_a_request_fails(
    web: Web, monkeypatch: pytest.MonkeyPatch, is_down: bool
) -> None:
    """With HTTP_PROXY set and a local Label Studio, nothing pointed to the proxy."""
    proxy = "127.0.0.1:1" if is_down else web.host
    monkeypatch.setenv("http_proxy", f"http://me:secret@{proxy}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(StudioError) as caught:
        Session("http://localhost:8080", "token", repeats=0).call("GET", "/health")
    assert str(caught.value).endswith(
        f"The environment (HTTP_PROXY) sends this through the proxy http://{proxy}; if localhost "
        "is to be reached without it, add localhost to NO_PROXY"
    )
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "localhost")
    assert about_proxy("http://localhost:8080") == ""


def test_a_refusal_by_a_proxy_says_nothing_of_the_token(web: Web) -> None:
    """The token in the settings was given up for the spare one."""
    session = Session(web.url, "first", "spare", repeats=0)
    for refusal in (Answer(PAGE % b"Sign in", 401), Answer(b'{"detail": "no"}', 401, JSON)):
        web.answers["/x"] = refusal
        with pytest.raises(StudioError):
            session.call("GET", "/x")
    tokens = [seen.authorization for seen in web.seen]
    assert tokens == ["Token first", "Token first", "Token spare"]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "тайна", ""])
def test_a_token_that_cannot_be_sent_is_refused(web: Web, token: str) -> None:
    """Letters outside of Latin-1 ended a command in a traceback. What Label Studio, or somebody in
    its name, sends as a token is only left aside."""
    if token:
        with pytest.raises(BadSetting, match="cannot be sent"):
            Session(web.url, token)
    web.answers["/health"] = Answer(status=401)
    with pytest.raises(StudioError):
        Session(web.url, "good", token, repeats=0).call("GET", "/health")
    assert [seen.authorization for seen in web.seen] == ["Token good"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Answer(PAGE % b"413 Request Entity Too Large", 413),
            "GET /x: Label Studio, or a proxy before it, answered 413: 413 Request Entity Too "
            "Large. The request is larger than a proxy before Label Studio lets through: raise its "
            "limit (nginx: client_max_body_size)",
        ),
        (
            Answer(PAGE % b"Server Error\n (500) &amp; more", 500),
            "GET /x: Label Studio, or a proxy before it, answered 500: Server Error (500) & more. "
            "Label Studio's log says why",
        ),
        (
            Answer(b"<h1>no title</h1>" * 500, 504),
            "GET /x: Label Studio, or a proxy before it, answered 504: Gateway Timeout. Something "
            "before Label Studio got no answer from it: check that Label Studio runs, and that the "
            "proxy waits long enough (nginx: proxy_read_timeout)",
        ),
        (
            Answer(b"word " * 500, 418),
            f"GET /x: Label Studio, or a proxy before it, answered 418: {'word ' * 39}word…",
        ),
        (
            Answer(PAGE % b"401 Authorization Required", 401),
            "GET /x: Label Studio, or a proxy before it, answered 401: 401 Authorization Required. "
            "If that is the login of a proxy before Label Studio, write its user name and password "
            "into LABEL_STUDIO_URL (http://user:password@host), or what it wants to see into "
            "LABEL_STUDIO_HEADERS",
        ),
        (
            Answer(
                b'{"detail": "Validation error", "validation_errors": {"url": ["Not", "valid."]}}',
                400,
                JSON,
            ),
            "GET /x: Label Studio answered 400: Validation error; url: Not valid",
        ),
        (
            Answer(PAGE % b"Sign in"),
            "GET /x: the answer is not JSON but 'Sign in'. Check that Label Studio is at this "
            "address. If that is the login of a proxy before Label Studio, write its user name and "
            "password into LABEL_STUDIO_URL (http://user:password@host), or what it wants to see "
            "into LABEL_STUDIO_HEADERS",
        ),
    ],
    ids=["413", "500", "504", "words", "401", "400", "login"],
)
def test_an_answer_becomes_one_line(web: Web, answer: Answer, expected: str) -> None:
    """Pages of proxies, kilobytes of HTML, stood on the status page and in the log."""
    web.answers["/x"] = answer
    with pytest.raises(StudioError) as caught:
        Session(web.url, "token", repeats=0).json("GET", "/x")
    assert str(caught.value) == expected


def test_a_login_page_is_no_label_studio_that_is_up(web: Web) -> None:
    web.answers["/health"] = Answer(PAGE % b"Sign in")
    assert not is_up(web.url)
    web.answers["/health"] = Answer(b'{"status": "UP"}', headers=JSON)
    assert is_up(web.url)


def test_predictions_come_in_requests_below_the_limit_of_proxies(web: Web) -> None:
    """nginx refuses more than 1 MB, unless somebody raises that."""
    web.answers["/api/projects/7/import/predictions"] = Answer(b'{"created": 2}', headers=JSON)
    rows: list[Json] = [{"task": task, "result": "x" * 300_000} for task in range(6)]
    assert Studio(web.url, "token").of(7).import_predictions(rows) == 6
    assert max(len(seen.body) for seen in web.seen) < 900_000
    assert [row for seen in web.seen for row in json.loads(seen.body)] == rows
    assert {seen.headers["Content-Type"] for seen in web.seen} == {"application/json"}


def tasks_answer(count: int, cannot_send: set[int]) -> Any:
    """Label Studio's /api/tasks/ with so many tasks, some of which it fails at."""

    def answer(handler: Any) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        bounds = {"greater": 0, "less_or_equal": count}
        for item in json.loads(asked["query"])["filters"]["items"]:
            bounds[item["operator"]] = max(0, item["value"])
        ids = range(bounds["greater"] + 1, min(bounds["less_or_equal"], count) + 1)
        there = list(ids)[: int(asked["page_size"])]
        if asked["include"] != "id" and cannot_send & set(there):
            Answer(b'{"detail": "surrogates not allowed"}', 500, JSON)(handler)
            return
        body = {"tasks": [{"id": task} for task in there], "total": len(ids)}
        Answer(json.dumps(body).encode(), headers=JSON)(handler)

    return answer


def test_one_task_that_cannot_be_sent_hides_no_other(web: Web) -> None:
    """Half of an emoji in one task: no label of the whole project was learnt any more."""
    web.answers["/api/tasks/"] = tasks_answer(1500, {17, 700, 701, 1500})
    studio = Studio(web.url, "token").of(7)
    found = list(studio.tasks())
    assert [task["id"] for task in found] == list(range(1, 1501))
    unsent = {task["id"]: task[UNSENT] for task in found if UNSENT in task}
    assert unsent.keys() == {17, 700, 701, 1500}
    assert unsent[17].startswith("Label Studio cannot send this task: it answers 500.")
    assert len(web.seen) < 100
    assert studio.annotated(0, 20)[0][16] == {"id": 17, UNSENT: unsent[17]}
    assert studio.these([16, 17]) == [{"id": 16}, {"id": 17, UNSENT: unsent[17]}]


def test_where_no_task_can_be_sent_label_studio_is_at_fault(web: Web) -> None:
    web.answers["/api/tasks/"] = tasks_answer(FAILING, set(range(FAILING + 1)))
    with pytest.raises(StudioError, match="answered 500: surrogates not allowed"):
        list(Studio(web.url, "token").of(7).tasks())
    web.answers["/api/tasks/"] = tasks_answer(FAILING - 1, set(range(FAILING)))
    assert all(UNSENT in task for task in Studio(web.url, "token").of(7).tasks())
