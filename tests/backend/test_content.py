from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.interface.content import key_of, parts_of
from backend.interface.questions import LabelConfig, Question, Source, SourceKind
from model.storage.vectors import content_key


def showing(*sources: tuple[SourceKind, str]) -> LabelConfig:
    return LabelConfig(
        (Question("c", "t", "single", ("a", "b")),), tuple(Source(*one) for one in sources)
    )


TEXT = showing(("text", "text"))
HTML = showing(("html", "text"))
POST = showing(("image", "photo"), ("text", "title"), ("video", "clip"), ("html", "body"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text": "  a \n b "}, "a b"),
        ({"text": 7}, "7"),
        ({"text": ""}, None),
        ({"text": None}, None),
        ({"text": ["a"]}, None),
        ({"text": True}, None),
        ({"other": "a"}, None),
        ([], None),
        (None, None),
    ],
)
def test_text_of_a_task(data: object, text: str | None) -> None:
    assert parts_of(data, TEXT) == (None if text is None else (text,))


def test_html_is_stripped_to_its_words() -> None:
    page = "<p>One<br>two</p><script>var x;</script><style>p{}</style><b>three</b>&amp;"
    assert parts_of({"text": page}, HTML) == ("One two three &",)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<?xml version='1.0' encoding='utf-8'?><html><body>é你</body></html>", "é你"),
        ("<meta charset='latin-1'><p>é你</p>", "é你"),
        ("<p>half \ud83d</p><p>rest</p>", "half ? rest"),
        ("<div>" * 1000 + "deep", "deep"),
        ("<p>" + 2_000_000 * "long " + "end</p>", 2_000_000 * "long " + "end"),
        ("<!-- nothing -->", None),
    ],
    ids=["XHTML", "wrong charset", "half a character", "deep", "long", "empty"],
)
def test_html_of_every_kind_is_read(page: str, text: str | None) -> None:
    """XHTML, deep and long pages had no text at all once; half a character cut off the rest."""
    assert parts_of({"text": page}, HTML) == (None if text is None else (text,))


@given(st.text())
def test_any_html_has_a_text_or_none(page: str) -> None:
    parts = parts_of({"text": page}, HTML)
    assert parts is None or parts == (" ".join(str(parts[0]).split()),) != ("",)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (
            {
                "title": "One",
                "body": "<b>two</b>",
                "photo": " /data/1.png ",
                "clip": "s3://b/2.mp4",
            },
            ("One\ntwo", "/data/1.png", "s3://b/2.mp4"),
        ),
        ({"body": "two", "photo": ""}, ("two", None, None)),
        ({"photo": "/data/1.png", "clip": 7}, (None, "/data/1.png", None)),
        ({"photo": None}, None),
    ],
)
def test_texts_come_together_then_each_picture_and_clip(data: Any, parts: Any) -> None:
    assert POST.layout == ("text", "image", "video")
    assert parts_of(data, POST) == parts


def test_tasks_that_show_the_same_have_the_same_key() -> None:
    assert key_of(("one",)) == content_key("one")
    keys = {key_of(parts) for parts in (("one", None), (None, "one"), ("one", "one"), ("one",))}
    assert len(keys) == 4
