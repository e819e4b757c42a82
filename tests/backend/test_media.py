"""Files that tasks name: fetched within limits, with the token for Label Studio alone."""

import base64
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from backend.dev import local
from backend.media.media import Media, MediaLimits
from backend.media.places import Unreachable
from backend.studio.session import Session
from tests.backend.web import Answer, Seen, Web, dripping, redirect

TOKEN = "0123456789abcdef"
UPLOAD = "/data/upload/7/0a1b2c3d-cat.png"
PICTURE = b"\x89PNG picture"


@pytest.fixture
def studio() -> Iterator[Web]:
    """Plays Label Studio."""
    web = Web()
    yield web
    web.close()


@pytest.fixture
def other() -> Iterator[Web]:
    """Another web server."""
    web = Web()
    yield web
    web.close()


Make = Callable[..., Media]


@pytest.fixture
def media(studio: Web, tmp_path: Path) -> Iterator[Make]:
    made = []

    def make(token: str = TOKEN, url: str = "", **limits: object) -> Media:
        session = Session(url or studio.url, token, repeats=0)
        made.append((session, Media(tmp_path / "media", session, MediaLimits(**limits))))  # type: ignore[arg-type]
        return made[-1][1]

    yield make
    for session, media in made:
        media.close()
        session.close()


def refusal(media: Media, reference: str) -> Unreachable:
    with pytest.raises(Unreachable) as refused:
        media.fetch(reference, "tasks/5")
    assert TOKEN not in str(refused.value)
    return refused.value


def test_an_upload_is_asked_for_once_with_the_token(
    studio: Web, media: Make, tmp_path: Path
) -> None:
    studio.answers[UPLOAD] = Answer(PICTURE)
    assert media().fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE
    assert media().fetch(UPLOAD, "tasks/6").read_bytes() == PICTURE
    assert studio.seen == [Seen(UPLOAD, f"Token {TOKEN}")]
    assert len(list((tmp_path / "media").iterdir())) == 1


def test_an_access_token_that_ran_out_is_renewed(studio: Web, media: Make) -> None:
    bought = iter(["old", "new"])

    def sell(handler: BaseHTTPRequestHandler) -> None:
        Answer(json.dumps({"access": next(bought)}).encode())(handler)

    def serve(handler: BaseHTTPRequestHandler) -> None:
        is_new = handler.headers["Authorization"] == "Bearer new"
        Answer(PICTURE if is_new else b"{}", 200 if is_new else 401)(handler)

    studio.answers |= {"/api/token/refresh/": sell, UPLOAD: serve}
    assert media(token="a.b.c").fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE


def test_an_allowed_host_gets_no_token_and_nothing_from_netrc(
    other: Web, media: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link into a cloud storage is signed, and refused with a password of ~/.netrc beside."""
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    other.answers["/cat.png"] = Answer(PICTURE)
    found = media(hosts=(other.host,)).fetch(f"{other.url}/cat.png", "tasks/5")
    assert found.read_bytes() == PICTURE
    assert other.seen == [Seen("/cat.png", None)]


def test_an_example_of_label_studio_comes_through_its_proxy_without_the_token(
    studio: Web, tmp_path: Path
) -> None:
    """The proxy answered 401, because its password was not sent with the file."""
    path = "/static/samples/sample.jpg"
    studio.answers[path] = Answer(PICTURE)
    session = Session(studio.url, TOKEN, headers=(("Authorization", "Basic x"),))
    media = Media(tmp_path / "media", session)
    assert media.fetch(path, "tasks/5").read_bytes() == PICTURE
    assert studio.seen == [Seen(path, "Basic x")]
    assert TOKEN not in studio.seen[0].headers.values()
    assert "answered 404 when asked for the file" in refusal(media, "/static/none.jpg").args[0]
    media.close()
    session.close()


def test_a_host_that_is_not_allowed_is_not_asked(other: Web, media: Make) -> None:
    refused = refusal(media(), f"{other.url}/cat.png?secret=1")
    assert not refused.temporary
    assert "add it to MEDIA_HOSTS" in str(refused) and "secret" not in str(refused)
    assert other.seen == []


def test_what_a_proxy_wants_goes_to_label_studio_alone(
    studio: Web, other: Web, tmp_path: Path
) -> None:
    headers = (("Authorization", "Basic x"), ("X-Gate", "open"))
    studio.answers[UPLOAD] = redirect(f"{other.url}/cat.png")
    other.answers["/cat.png"] = Answer(PICTURE)
    session = Session(studio.url, TOKEN, repeats=0, headers=headers)
    media = Media(tmp_path / "media", session, MediaLimits(hosts=(other.host,)))
    assert media.fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE
    media.close()
    session.close()
    ours = ("Authorization", "X-Gate", "X-Api-Key")
    sent = [[seen.headers.get(name) for name in ours] for seen in studio.seen + other.seen]
    assert sent == [["Basic x", "open", TOKEN], [None, None, None]]


def test_redirect_follows_to_an_allowed_host_without_the_token(
    studio: Web, other: Web, media: Make
) -> None:
    studio.answers[UPLOAD] = redirect(f"{other.url}/cat.png")
    other.answers["/cat.png"] = Answer(PICTURE)
    assert media(hosts=(other.host,)).fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE
    assert other.seen == [Seen("/cat.png", None)]


@pytest.mark.parametrize("first", ["studio", "other"])
def test_redirect_to_a_host_that_is_not_allowed_is_not_followed(
    studio: Web, other: Web, media: Make, first: str
) -> None:
    inner = Web()
    studio.answers[UPLOAD] = other.answers["/cat.png"] = redirect(f"{inner.url}/admin")
    reference = UPLOAD if first == "studio" else f"{other.url}/cat.png"
    assert not refusal(media(hosts=(other.host,)), reference).temporary
    inner.close()
    assert inner.seen == []


def test_redirect_from_elsewhere_gets_no_other_page_of_label_studio_with_the_token(
    studio: Web, other: Web, media: Make
) -> None:
    other.answers["/cat.png"] = redirect(f"{studio.url}/api/users/")
    refusal(media(hosts=(other.host,)), f"{other.url}/cat.png")
    assert studio.seen == [Seen("/api/users/", None)]


def test_redirects_in_a_circle_end(other: Web, media: Make) -> None:
    other.answers["/a"] = redirect("/b")
    other.answers["/b"] = redirect("/a")
    assert "redirects too many times" in str(refusal(media(hosts=(other.host,)), f"{other.url}/a"))


def presigned(uri: str) -> str:
    return f"/tasks/5/presign/?fileuri={base64.urlsafe_b64encode(uri.encode()).decode()}"


@pytest.mark.parametrize("uri", ["s3://b/ü/cat.png", "gs://b/cat.png", "azure-blob://b/cat.png"])
def test_cloud_file_comes_from_where_label_studio_says(
    studio: Web, other: Web, media: Make, uri: str
) -> None:
    studio.answers["/tasks/5/presign/"] = redirect(f"{other.url}/b/cat.png?Signature=xyz", 303)
    other.answers["/b/cat.png"] = Answer(PICTURE)
    assert media().fetch(uri, "tasks/5").read_bytes() == PICTURE
    assert studio.seen == [Seen(presigned(uri), f"Token {TOKEN}")]
    assert other.seen == [Seen("/b/cat.png?Signature=xyz", None)]


def test_the_link_that_label_studio_writes_into_tasks_is_a_cloud_file(
    studio: Web, other: Web, media: Make
) -> None:
    studio.answers["/tasks/5/resolve/"] = redirect(f"{other.url}/b/cat.png", 303)
    other.answers["/b/cat.png"] = Answer(PICTURE)
    assert media().fetch("/tasks/5/resolve/?fileuri=czM6Ly9i", "tasks/5").read_bytes() == PICTURE


def test_cloud_file_that_label_studio_hands_through(studio: Web, media: Make) -> None:
    studio.answers["/tasks/5/presign/"] = Answer(PICTURE)
    assert media().fetch("s3://b/cat.png", "tasks/5").read_bytes() == PICTURE


def test_storage_may_not_send_us_further(studio: Web, other: Web, media: Make) -> None:
    inner = Web()
    studio.answers["/tasks/5/presign/"] = redirect(f"{other.url}/b/cat.png?Signature=xyz", 303)
    other.answers["/b/cat.png"] = redirect(f"{inner.url}/admin")
    assert "Signature" not in str(refusal(media(), "s3://b/cat.png"))
    inner.close()
    assert inner.seen == []


def test_a_refusal_of_the_storage_reveals_no_signature(
    studio: Web, other: Web, media: Make
) -> None:
    studio.answers["/tasks/5/presign/"] = redirect(f"{other.url}/b/cat.png?Signature=xyz", 303)
    other.answers["/b/cat.png"] = Answer(b"<Error/>", 403)
    refused = refusal(media(), "s3://b/cat.png")
    assert "answered 403" in str(refused) and "Signature" not in str(refused)


def without_length(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(PICTURE * 10)


@pytest.mark.parametrize("answer", [Answer(PICTURE * 10), without_length])
def test_too_large_a_file_is_refused(
    studio: Web, media: Make, tmp_path: Path, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    studio.answers[UPLOAD] = answer
    size = len(PICTURE * 10)
    refused = refusal(media(max_bytes=size - 1), UPLOAD)
    assert not refused.temporary
    assert "larger than" in str(refused)
    assert list((tmp_path / "media").iterdir()) == []
    assert media(max_bytes=size).fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE * 10


@pytest.mark.parametrize("server", ["studio", "other"])
def test_a_server_that_drips_does_not_hold_us_up(
    studio: Web, other: Web, media: Make, tmp_path: Path, server: str
) -> None:
    studio.answers[UPLOAD] = other.answers["/cat.png"] = dripping(b"HTTP/1.1 200 OK\r\n\r\n")
    reference = UPLOAD if server == "studio" else f"{other.url}/cat.png"
    refused = refusal(media(hosts=(other.host,), seconds=0.5), reference)
    assert "within 0.5 seconds" in str(refused) and refused.temporary
    assert list((tmp_path / "media").iterdir()) == []


def ranged(body: bytes, sent: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers like Label Studio, whose built-in server gives a length only to requests for a range,
    and breaks off after `sent` bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        if handler.headers["Range"] != "bytes=0-":
            handler.send_response(200)
        else:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:sent])

    return answer


def test_half_a_file_is_no_file(studio: Web, media: Make, tmp_path: Path) -> None:
    studio.answers[UPLOAD] = ranged(PICTURE, 4)
    assert refusal(media(), UPLOAD).temporary
    assert list((tmp_path / "media").iterdir()) == []
    studio.answers[UPLOAD] = ranged(PICTURE, len(PICTURE))
    assert media().fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE


@pytest.mark.parametrize("sent", ["bytes 1-4/5", "bytes 0-3/5", "bytes 0-3/*", ""])
def test_a_part_of_a_file_is_refused(studio: Web, media: Make, sent: str) -> None:
    studio.answers[UPLOAD] = Answer(b"part", 206, {"Content-Range": sent})
    assert "answered 206" in str(refusal(media(), UPLOAD))


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        *((status, False) for status in (204, 400, 403, 404, 410)),
        *((status, True) for status in (401, 408, 424, 429, 500, 503)),
    ],
)
def test_what_may_pass_and_what_will_not(
    studio: Web, other: Web, media: Make, status: int, temporary: bool
) -> None:
    studio.answers[UPLOAD] = other.answers["/cat.png"] = Answer(status=status)
    assert refusal(media(), UPLOAD).temporary is temporary
    assert refusal(media(hosts=(other.host,)), f"{other.url}/cat.png").temporary is temporary


def test_nobody_answers(media: Make, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{local.free_port()}"
    assert refusal(media(hosts=(nobody,)), f"http://{nobody}/cat.png").temporary
    refused = refusal(media(url=f"http://{nobody}"), UPLOAD)
    assert refused.temporary
    assert str(refused).startswith("no answer from Label Studio")


def test_the_advice_is_about_the_kind_of_link(studio: Web, media: Make) -> None:
    assert "deleted" in str(refusal(media(), UPLOAD))
    assert "local storage" in str(refusal(media(), "/data/local-files/?d=cats/1.png"))
    assert "source storage" in str(refusal(media(), "s3://b/cat.png"))
    studio.answers["/data/local-files/"] = Answer(status=403)
    assert "LOCAL_FILES_SERVING_ENABLED" in str(refusal(media(), "/data/local-files/?d=a/1.png"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "web page"),
        (Answer(b""), "empty"),
    ],
)
def test_what_is_no_file(studio: Web, media: Make, answer: Answer, words: str) -> None:
    studio.answers[UPLOAD] = answer
    refused = refusal(media(), UPLOAD)
    assert words in str(refused) and not refused.temporary


def test_a_file_inside_the_task(media: Make, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    text = "data:image/png;base64," + base64.b64encode(content).decode()
    assert media().fetch(text, "tasks/5").read_bytes() == content
    assert "larger" in str(refusal(media(max_bytes=1000), text + "AAAA"))
    assert "its base64 is invalid" in str(refusal(media(), text[:-1]))
    assert "its base64 is invalid" in str(refusal(media(), "data:image/png;base64,<svg>"))
    assert "can be read" in str(refusal(media(), "data:text/html;base64,AAAA"))
    assert len(list((tmp_path / "media").iterdir())) == 1


def test_a_damaged_file_is_fetched_again(studio: Web, media: Make) -> None:
    studio.answers[UPLOAD] = Answer(PICTURE)
    files = media()
    files.fetch(UPLOAD, "tasks/5").write_bytes(PICTURE[:4])
    files.forget(UPLOAD)
    assert files.fetch(UPLOAD, "tasks/5").read_bytes() == PICTURE


def test_a_folder_that_cannot_be_written_is_not_the_fault_of_the_file(
    studio: Web, media: Make, tmp_path: Path
) -> None:
    studio.answers[UPLOAD] = Answer(PICTURE)
    (tmp_path / "media").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        media().fetch(UPLOAD, "tasks/5")
