from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.interface.content import key_of, parts_of
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.image import Image
from backend.interface.objects.media import Video
from backend.interface.objects.object_tag import ObjectTag
from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.interface.values import Encoding, Repeat
from model.storage.vectors import content_key


def showing(*sources: tuple[ObjectTag, str]) -> LabelConfig:
    return LabelConfig(
        (Question("c", "t", "single", ("a", "b")),),
        tuple(Source(one[0], f"${one[1]}") for one in sources),
    )


TEXT = showing((Text(), "text"))
HTML = showing((HyperText(), "text"))
POST = showing((Image(), "photo"), (Text(), "title"), (Video(), "clip"), (HyperText(), "body"))


DEEP: object = "deep"
for _ in range(10_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text": "  a \n b "}, "a b"),
        ({"text": 7}, "7"),
        ({"text": ""}, None),
        ({"text": None}, None),
        ({"text": 7.0}, "7"),
        ({"text": ["a", 1]}, "a,1"),
        ({"text": ["a", ["b", [], [["c"], None]], "d"]}, "a,b,c,d"),
        ({"text": DEEP}, "deep"),
        ({"text": True}, "true"),
        ({"text": {"a": "b"}}, None),
        ({"text": []}, None),
        ({"other": "a"}, None),
        ([], None),
        (None, None),
    ],
)
def test_text_of_a_task(data: object, text: str | None) -> None:
    assert parts_of(data, TEXT) == (None if text is None else (text,))


MAIL = {
    "meta": {"from": "Ann", "to": ["Bo", "Cy"], "a.b": "?"},
    "items": [{"body": "one"}, {"body": "two"}, "three"],
    "meta.from": "flat",
    "my-key": "hyphen",
    "文本": "你好",
    "empty": "",
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("$meta.to", "Bo,Cy"),
        ("$meta.to[1]", "Cy"),
        (f"$meta.to[{'9' * 5000}]", None),
        ("$items[1].body", "two"),
        ("$items[9].body", None),
        ("$items.0.body", "one"),
        ("$meta.from.name", None),
        ("$meta.from", "flat"),
        ("$my-key", "hyphen"),
        ("$文本", "你好"),
        ("From: $items[0].body, to: $meta.to", "From: one, to: Bo,Cy"),
        ("From: $items[0].body, to: $nobody", "From: one, to:"),
        ("From: $empty", None),
        ("$meta", None),
    ],
)
def test_a_value_is_filled_in_as_on_label_studios_pages(value: str, text: str | None) -> None:
    """A flat key comes before a path; a task that has nothing for any variable shows nothing."""
    shown = LabelConfig(TEXT.questions, (Source(Text(), value),))
    assert parts_of(MAIL, shown) == (None if text is None else (text,))


def test_what_is_repeated_for_a_list_is_read_item_by_item() -> None:
    source = Source(Text(), "$items[{{idx}}].body", repeat=Repeat("$items", "{{idx}}"))
    shown = LabelConfig(TEXT.questions, (source,))
    assert parts_of(MAIL, shown) == ("one\ntwo",)
    assert parts_of({"items": "no list"}, shown) is None


@pytest.mark.parametrize(
    ("encoding", "code", "text"),
    [
        ("base64", "Z3LDvMOf", "grÃ¼Ã\x9f"),
        ("base64unicode", "Z3LDvMOf", "grüß"),
        ("base64unicode", "no code!", None),
        ("none", "Z3LDvMOf", "Z3LDvMOf"),
    ],
)
def test_encoded_texts_are_decoded(encoding: Encoding, code: str, text: str | None) -> None:
    shown = LabelConfig(TEXT.questions, (Source(Text(encoding), "$text"),))
    assert parts_of({"text": code}, shown) == (None if text is None else (text,))


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
