"""Whatever is sent: an answer in JSON, an error that says something, no 5xx, no traceback."""

import gzip
import json
import logging
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.interface.parse import EXAMPLE, parse
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.status import Served, Status
from backend.settings import Settings
from tests.backend.fuzzing import JSON, STRINGS, many, nested, report, spoilt
from tests.backend.payloads import PAYLOADS, PREDICT, TASK
from tests.backend.test_fuzz_data import nearly_right
from tests.backend.test_routes import TEXTS, served_in, setup_body, task
from tests.backend.wire import QuietService, Wire, strict_json

WITH_NAMES = {
    "/pool/<int:project>/items": "/pool/7/items",
    "/status/<int:project>": "/status/7",
    "/status/<int:project>.json": "/status/7.json",
    "/status/<int:project>/certify": "/status/7/certify",
    "/status/<int:project>/certify/stop": "/status/7/certify/stop",
    "/status/<int:project>/latest": "/status/7/latest",
    "/status/<int:project>/map": "/status/7/map",
    "/status/<int:project>/map.json": "/status/7/map.json",
    "/status/<int:project>/pick": "/status/7/pick",
    "/status/<int:project>/pick/stop": "/status/7/pick/stop",
    "/status/<int:project>/picture/<int:task>/<int:place>": "/status/7/picture/11/0",
    "/status/<int:project>/rollback/<version>": "/status/7/rollback/0.1",
    "/status/<int:project>/search.json": "/status/7/search.json",
    "/status/<int:project>/tab": "/status/7/tab",
    "/status/<int:project>/label.json": "/status/7/label.json",
    "/status/<int:project>/tasks.json": "/status/7/tasks.json",
}
"""Routes with names in them, and an example of each."""
ROUTES = [
    *("/", "/health", "/ready", "/setup", "/predict", "/webhook", "/versions", "/train"),
    *("/status", "/status.json", "/metrics", *WITH_NAMES.values()),
]
HTML = EXAMPLE.replace("Text", "HyperText")


@pytest.fixture(scope="module")
def tried(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    report(request, counts)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A head that reads the first two numbers of the real encoder's vectors."""
    folder = tmp_path_factory.mktemp("models") / "7"
    found = served_in(folder, dimension=384)
    with closing(Pool(folder / MIRROR)) as pool:
        pool.update([task(text, 11 + place) for place, text in enumerate(TEXTS)], found.config)
    return found


@pytest.fixture(scope="module")
def wire(served: Served) -> Iterator[Wire]:
    settings = Settings(model_dir=served.store.folder.parent, label_studio_url="http://127.0.0.1:9")
    made = Wire(QuietService(settings), served)
    logging.getLogger().addHandler(made.faults)
    yield made
    logging.getLogger().removeHandler(made.faults)


@pytest.fixture(scope="module")
def guarded(served: Served) -> Iterator[Wire]:
    folder = served.store.folder.parent
    service = QuietService(
        Settings(model_dir=folder, basic_auth_user="u", basic_auth_pass="pässword")
    )
    made = Wire(service, served)
    logging.getLogger().addHandler(made.faults)
    yield made
    logging.getLogger().removeHandler(made.faults)


def test_every_route_is_among_those_tried(wire: Wire) -> None:
    rules = {rule.rule for rule in wire.client.application.url_map.iter_rules()}
    assert rules - {*ROUTES, *WITH_NAMES, "/static/<path:filename>"} == set()


@many(1500)
@given(
    sent=st.sampled_from(PAYLOADS).flatmap(
        lambda known: st.tuples(st.just(known[0]), spoilt(known[1]))
    )
)
def test_real_payloads_with_spoilt_parts(
    wire: Wire, tried: Counter[str], sent: tuple[str, object]
) -> None:
    tried["payloads"] += 1
    wire.post(*sent)


@many(300)
@given(xml=nearly_right())
def test_setup_with_any_label_config(wire: Wire, tried: Counter[str], xml: str) -> None:
    """The refusal goes into the status line, which Label Studio's settings page shows."""
    tried["setups"] += 1
    answer = wire.post("/setup", setup_body(schema=xml))
    assert answer.status_code in (200, 400)
    assert len(answer.status.encode("latin-1")) < 250 and len(answer.status.splitlines()) == 1


BODIES = (
    st.binary(max_size=60)
    | JSON.map(json.dumps).map(lambda text: text.encode())
    | st.sampled_from(
        [
            b"[" * 100_000,
            b'{"project":' * 5_000,
            b'{"project": 7, "tasks": ' + b"[" * 990 + b"]" * 990 + b"}",
            b'{"project": ' + b"9" * 5_000 + b"}",
            b'{"project": 1e400, "tasks": [{"data": {"text": 1e400}}]}',
            b'{"project": 7, "tasks": [], "project": []}',
            json.dumps(PREDICT).encode("utf-16"),
            json.dumps(PREDICT).encode("utf-32"),
            gzip.compress(json.dumps(PREDICT).encode()),
            '{"action": "é", "project": 7}'.encode("latin-1"),
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
        ]
    )
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": HEADER
        | st.sampled_from(["text/xml", "multipart/form-data; boundary=", "a/b; charset=\x80"]),
        "Content-Encoding": st.sampled_from(["gzip", "br", "identity"]),
        "Accept": HEADER,
        "Host": HEADER | st.sampled_from(["[::1", "a:b:c", "ä", "..", "x" * 300]),
        "X-Forwarded-Proto": HEADER,
        "Cookie": HEADER,
        "Range": HEADER,
        "Content-Length": st.sampled_from(["", "-1", "9" * 30, "1e3", "x"]),
    },
)
ANYWHERE = st.sampled_from(ROUTES) | st.sampled_from(
    [
        "/static/%00",
        "/static/../routes.py",
        "//health",
        "/setup/",
        "/%ff",
        "/versions/7",
        "/status/7.json",
        "/status/\uff17.json",
        "/status/-1.json",
        f"/status/{'9' * 5000}.json",
        "/x" * 2000,
    ]
)
QUERIES = st.sampled_from(
    ["", "project=7", "project=%FF", "project=7&project=8", "project", "%00=&&=="]
)
METHODS = st.sampled_from(
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "ODD"]
)


@many(1500)
@given(
    path=ANYWHERE,
    method=st.just("POST") | METHODS,
    body=BODIES,
    headers=HEADERS,
    query=QUERIES | HEADER,
)
def test_any_request(
    wire: Wire,
    tried: Counter[str],
    path: str,
    method: str,
    body: bytes,
    headers: dict[str, str],
    query: str,
) -> None:
    tried["requests"] += 1
    wire.send(path, method, data=body, headers=headers, query_string=query)


CREDENTIALS = (
    HEADER
    | st.binary(max_size=30).map(lambda raw: "Basic " + b64encode(raw).decode())
    | st.sampled_from(["Basic", "Basic ====", "Basic dTpw", "Bearer x", "basic dTo=", "Digest a=b"])
    | st.builds('Digest username="{}", password="{}"'.format, HEADER, HEADER)
)


@many(300)
@given(path=ANYWHERE, method=METHODS, credentials=CREDENTIALS)
def test_no_credentials_but_the_right_ones_open_anything(
    guarded: Wire, tried: Counter[str], path: str, method: str, credentials: str
) -> None:
    tried["credentials"] += 1
    answer = guarded.send(path, method, headers={"Authorization": credentials}, data=b"{}")
    assert answer.status_code == 401


@many(300)
@given(sent=JSON | st.integers(-5, 9) | st.floats(6, 9) | st.fixed_dictionaries({"id": JSON}))
def test_project_ids(wire: Wire, tried: Counter[str], sent: Any) -> None:
    """Only what Label Studio sends is an id; nothing else reaches a folder or a loop."""
    tried["project ids"] += 1
    answer = wire.post("/versions", {"project": sent})
    said = sent.get("id") if isinstance(sent, dict) else sent
    if answer.status_code == 200 and sent is not None:
        whole = str(said).split(".")[0]
        assert whole.isascii() and whole.isdigit()
        assert (strict_json(answer)["served"] == "0.3") == (int(whole) == 7)


ODD_TEXTS = (
    STRINGS
    | st.sampled_from(
        [
            "yes please",
            "\u200b\u200d",
            "\ud83d half",
            "a" * 20_000,
            "😀" * 500,
            "[CLS] [SEP] [PAD] [MASK]",
            "<p>" * 300 + "deep",
            "<?xml version='1.0' encoding='utf-8'?><p>page</p>",
            "<!-- -->",
        ]
    )
    | st.integers()
    | st.floats()
)
ODD_TASKS = st.lists(
    spoilt(TASK) | ODD_TEXTS.map(task) | st.builds(task, st.sampled_from([nested(300), {}, None])),
    min_size=1,
    max_size=3,
).filter(lambda tasks: all(isinstance(each, dict) for each in tasks))


@many(60)
@given(xml=st.sampled_from([EXAMPLE, HTML]), tasks=ODD_TASKS)
def test_real_predictions_of_odd_tasks(
    wire: Wire, served: Served, tried: Counter[str], xml: str, tasks: list[Any]
) -> None:
    """Through the real encoder: a prediction a task, whatever the task holds."""
    tried["predictions"] += len(tasks)
    wire.loop.status = Status(Served(served.version, parse(xml), xml, served.store))
    good = task("no thanks", 99)
    answer = wire.post("/predict", {**PREDICT, "tasks": [*tasks, good]})
    results = strict_json(answer)["results"]
    assert len(results) == len(tasks) + 1
    assert all(0.5 <= row["score"] <= 1.0 for row in results)
    assert results[-1]["result"][0]["value"] == {"choices": ["No"]}
