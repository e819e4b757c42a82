"""Texts in files: fetched and read by the trainer, with the reason where they cannot be."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import UnsupportedConfig
from backend.interface.content import parts_of
from backend.interface.names import names_of
from backend.interface.parse import parse
from backend.media.access import access_of
from backend.media.reading import CannotRead, Reader
from backend.media.record import ReadingRecord
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.embed import embed_pool
from backend.trainer.encoders import add_base_encoder
from backend.trainer.messages import AddBase, Embed
from backend.types import Json
from model.encoders.joint import Example, JointEncoder
from model.encoders.text import TextEncoder
from model.storage.store import Store
from model.types import EncoderSpec, Floats
from tests.backend.test_trainer import IGNORE, subject_of
from tests.backend.web import Answer, Web
from tests.model.pdf_files import pdf
from tests.model.test_image_encoder import res_net

CHOICES = '<Choices name="c" toName="o"><Choice value="yes"/><Choice value="no"/></Choices>'


def about(tag: str) -> str:
    return f"<View>{tag}{CHOICES}</View>"


TEXT = about('<Text name="o" value="$url" valueType="url"/>')
PAGE = about('<HyperText name="o" value="$url" valueType="url"/>')
DIALOGUE = about('<Paragraphs name="o" value="$url" valueType="url" nameKey="who"/>')
PDF = about('<Pdf name="o" value="$url"/>')
PICTURES = about('<Image name="o" valueList="$url"/>')


@pytest.fixture
def web() -> Iterator[Web]:
    with closing(Web()) as made:
        yield made


@dataclass(frozen=True)
class Reading:
    """Reads what tasks show, as the trainer does it."""

    web: Web
    folder: Path
    texts: str
    images: str

    def spec(self, xml: str) -> EncoderSpec:
        layout = parse(xml).layout
        has_pictures = {"image", "images"} & set(layout)
        is_of_pictures = set(layout) <= {"image", "images"}
        texts = "" if is_of_pictures else self.texts
        return EncoderSpec(layout, texts, self.images if has_pictures else "", max_tokens=16)

    def settings(self) -> Settings:
        return Settings(model_dir=self.folder, media_hosts=self.web.host, max_tokens=16)

    def read(self, xml: str, *tasks: Json) -> list[Example]:
        spec, config = self.spec(xml), parse(xml)
        access = access_of(Connection("http://127.0.0.1:9", "t"), self.settings())
        record = ReadingRecord(self.folder, lambda: None)
        encoder = JointEncoder(spec)
        with closing(Reader(encoder, spec, Store(self.folder), access, record)) as reader:
            found = []
            for task in tasks:
                parts = parts_of(task, config)
                assert parts is not None
                found.append(reader.read(1, parts))
            return found

    def text(self, xml: str, content: bytes | Answer, name: str = "file") -> str:
        answer = content if isinstance(content, Answer) else Answer(content)
        self.web.answers[f"/{name}"] = answer
        ((text,),) = self.read(xml, {"url": f"{self.web.url}/{name}"})
        assert isinstance(text, str)
        return text


@pytest.fixture
def reading(web: Web, tmp_path: Path, one_layer: Path) -> Reading:
    return Reading(web, tmp_path, str(one_layer), str(res_net(tmp_path / "images")))


def test_a_document_is_read_by_the_encoder_of_texts() -> None:
    config = parse(about('<Pdf name="o" value="$url"/><Text name="t" value="$title"/>'))
    assert config.layout == ("text", "document")
    data = {"url": " s3://b/1.pdf ", "title": "One"}
    assert parts_of(data, config) == ("One", '["pdf", "s3://b/1.pdf"]')
    assert parts_of({"url": 7}, parse(PDF)) is None
    assert names_of(parse(PDF)) == {"yes": ("yes",), "no": ("no",)}


def test_a_header_shows_what_stands_in_the_task() -> None:
    """Label Studio's page knows no valueType there."""
    header = '<Header value="$title" valueType="url"/><Text name="o" value="$text"/>'
    assert parse(about(header)).layout == ("text",)


def test_spans_in_a_file_are_not_learnt() -> None:
    xml = '<View><Labels name="l" toName="o"><Label value="A"/></Labels>'
    with pytest.raises(UnsupportedConfig, match="Labels 'l' marks spans in a file"):
        parse(f'{xml}<Text name="o" value="$url" valueType="url"/></View>')


SAID = [{"who": "Ann", "text": "Hi!"}, {"who": "Bo", "text": "Good day"}]
TYPE = "Content-Type"


@pytest.mark.parametrize(
    ("xml", "content", "text"),
    [
        (TEXT, b"  One\n two ", "One two"),
        (TEXT, "Gr\xfc\xdfe".encode("latin-1"), "Gr\xfc\xdfe"),
        (TEXT, b'{"a": "JSON"}', '{"a": "JSON"}'),
        (PAGE, b"<html><p>One</p><script>x</script><b>two</b></html>", "One two"),
        (PAGE, Answer(b"<p>One</p>", headers={TYPE: "text/html"}), "One"),
        (DIALOGUE, json.dumps(SAID).encode(), "Ann: Hi!\nBo: Good day"),
    ],
    ids=["text", "latin-1", "text with JSON", "page", "page that says so", "dialogue"],
)
def test_a_file_is_read_as_its_tag_shows_it(
    reading: Reading, xml: str, content: bytes | Answer, text: str
) -> None:
    assert reading.text(xml, content) == text


def test_a_pdf_is_read(reading: Reading) -> None:
    pytest.importorskip("pypdf")
    assert reading.text(PDF, pdf(["One two", "three"])) == "One two three"


def test_of_a_long_file_what_the_encoder_reads_is_kept(reading: Reading) -> None:
    """Twelve characters a token."""
    assert reading.text(TEXT, b"word " * 1_000_000) == ("word " * 100)[: 16 * 12]


@pytest.mark.parametrize(
    ("xml", "content", "reason"),
    [
        (TEXT, Answer(b"", 404), "answered 404 when asked for the file"),
        (TEXT, b" \n ", "there is no text in it"),
        (TEXT, b"", "The file is empty"),
        (TEXT, b"\x89PNG\0\0", "not a text file"),
        (TEXT, b"<!DOCTYPE html><p>Log in", "an HTML page instead of a text"),
        (TEXT, Answer(b"<p>Log in", headers={TYPE: "text/html"}), "The link leads to a web page"),
        (PAGE, b"<html><script>only()</script></html>", "there is no text in it"),
        (DIALOGUE, b"Ann: Hi!", "it is no JSON"),
        (DIALOGUE, b"<html>Log in", "an HTML page instead of a JSON file"),
        (DIALOGUE, b"[" * 100_000, "it is no JSON"),
        (DIALOGUE, b'{"who": "Ann"}', "its JSON is no list of objects with 'who' and 'text'"),
        (DIALOGUE, b" " * 20_000_000, "it has more than 10 million characters"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_reason(
    reading: Reading, xml: str, content: bytes | Answer, reason: str
) -> None:
    with pytest.raises(CannotRead, match=reason) as refused:
        reading.text(xml, content)
    assert not refused.value.temporary


def test_a_server_that_fails_for_a_moment_is_asked_again(reading: Reading) -> None:
    with pytest.raises(CannotRead, match="503") as refused:
        reading.text(TEXT, Answer(b"", 503))
    assert refused.value.temporary
    assert reading.text(TEXT, b"there again") == "there again"


def test_another_host_is_not_asked(reading: Reading) -> None:
    with pytest.raises(CannotRead, match=r"Files from example\.org are not fetched"):
        reading.read(TEXT, {"url": "https://example.org/1.txt"})


def test_a_file_is_fetched_and_read_once_for_a_deep_round(reading: Reading) -> None:
    reading.web.answers["/1"] = Answer(b"One")
    task = {"url": f"{reading.web.url}/1"}
    assert reading.read(TEXT, task, task, task) == [("One",)] * 3
    assert reading.web.paths() == ["/1"]


def embedded(reading: Reading, xml: str, tasks: list[Json]) -> Pool:
    """The pool after these tasks were encoded."""
    spec = reading.spec(xml)
    subject = subject_of(reading.folder, xml, spec, reading.settings())
    pool = Pool(reading.folder / "pool.sqlite")
    pool.update(tasks, parse(xml))
    add_base_encoder(AddBase(subject), IGNORE)
    embed_pool(Embed(subject, encoder=0, label_names=True), IGNORE)
    return pool


def vector(folder: Path, pool: Pool, task: int) -> Floats:
    vectors = Store(folder).vectors(0)
    found: Floats = vectors.take(vectors.rows(pool.keys_of(np.array([task]))))[0]
    return found


def test_a_pool_of_files_is_encoded_and_what_is_gone_is_recorded(reading: Reading) -> None:
    reading.web.answers["/1"] = Answer(b"One two three")
    tasks: list[Json] = [
        {"id": 1, "data": {"url": f"{reading.web.url}/1"}, "annotations": []},
        {"id": 2, "data": {"url": f"{reading.web.url}/gone"}, "annotations": []},
        {"id": 3, "data": {"url": None}, "annotations": []},
    ]
    with closing(embedded(reading, TEXT, tasks)) as pool:
        count, reasons = pool.unreadable(9)
        nothing = pool.nothing_shown()
        found = vector(reading.folder, pool, 1)
    assert (count, list(reasons)) == (1, [2])
    assert "answered 404" in reasons[2]
    assert nothing is not None and (nothing.tasks, nothing.first, nothing.keys) == (1, 3, ("url",))
    wanted = TextEncoder(reading.texts, 16).encode(["One two three"])[0]
    assert found.astype(np.float32) == pytest.approx(wanted, abs=1e-3)


def png(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(made, "PNG")
    return made.getvalue()


def test_several_pictures_are_read_as_one(reading: Reading) -> None:
    web = reading.web
    web.answers |= {f"/{colour}": Answer(png(colour)) for colour in ("red", "blue", "green")}
    every = [f"{web.url}/{colour}" for colour in ("red", "blue", "green")]
    tasks: list[Json] = [
        {"id": 1, "data": {"url": every}, "annotations": []},
        {"id": 2, "data": {"url": every[:1]}, "annotations": []},
        {"id": 3, "data": {"url": [every[0], None, f"{web.url}/gone"]}, "annotations": []},
        {"id": 4, "data": {"url": every[0]}, "annotations": []},
    ]
    with closing(embedded(reading, PICTURES, tasks)) as pool:
        _, reasons = pool.unreadable(9)
        nothing = pool.nothing_shown()
        several, one = vector(reading.folder, pool, 1), vector(reading.folder, pool, 2)
    assert list(reasons) == [3] and nothing is not None and nothing.first == 4
    assert several.shape == one.shape and np.abs(several - one).max() > 0.01


def test_of_many_pictures_sixteen_are_read_evenly_spread() -> None:
    config = parse(PICTURES)
    assert config.layout == ("images",)
    parts = parts_of({"url": [f"/data/{number}.png" for number in range(31)]}, config)
    assert parts is not None and parts[0] is not None
    assert json.loads(parts[0]) == [f"/data/{number}.png" for number in range(0, 31, 2)]


@pytest.mark.parametrize("data", ["/data/1.png", [], [None, 5, " "], {"a": 1}, None])
def test_a_list_of_pictures_of_another_form_shows_nothing(data: object) -> None:
    assert parts_of({"url": data}, parse(PICTURES)) is None
