"""What each object tag shows of a task: data of the right form, and of all others."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given

from backend.errors import ENCODER_SETTINGS, UnsupportedConfig
from backend.interface.content import key_of, parts_of
from backend.interface.objects import ALSO_SHOWN, OBJECTS
from backend.interface.objects.object_tag import MOST_CHARACTERS, MOST_ENTRIES, words_in
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.project.transfer import READS
from backend.types import Json
from model.encoders.errors import KINDS
from model.encoders.joint import FROZEN, TUNED
from model.types import READ_AS, Medium
from tests.backend.fuzzing import JSON

SAID = [{"author": "Ann", "text": "Hi!"}, {"author": "Bo", "text": " How\n are you? "}]

CASES: dict[str, tuple[object, str]] = {
    "Text": (" a \n b ", "a b"),
    "HyperText": ("<p>a</p><script>b</script>c", "a c"),
    "Paragraphs": (SAID, "Ann: Hi!\nBo: How are you?"),
    "Table": ({"Name": "Max", "age": 7.0}, "age: 7\nName: Max"),
    "Chat": ([{"role": "user", "content": "Hi!"}], "user: Hi!"),
    "Pdf": (" /data/1.pdf ", '["pdf", "/data/1.pdf"]'),
    "Image": (" /data/1.png ", "/data/1.png"),
    "Video": ("/data/1.mp4", "/data/1.mp4"),
    "Audio": ("/data/1.wav", "/data/1.wav"),
}
"""Tag -> what a task has in its place, and what is read of it. A new tag needs a case."""


def showing(tag: str, attributes: str = "") -> LabelConfig:
    return parse(
        f'<View><{tag} name="o" value="$data" {attributes}/><Choices name="c" toName="o">'
        '<Choice value="a"/><Choice value="b"/></Choices></View>'
    )


def read(tag: str, data: object, attributes: str = "") -> str | None:
    parts = parts_of({"data": data}, showing(tag, attributes))
    return None if parts is None else parts[0]


@pytest.mark.parametrize("tag", OBJECTS)
def test_every_object_reads_what_it_shows(tag: str) -> None:
    data, text = CASES[tag]
    assert read(tag, data) == text
    assert OBJECTS[tag].tag == tag


@pytest.mark.parametrize("tag", OBJECTS)
@given(data=JSON)
def test_data_of_any_form_is_read_or_shows_nothing(tag: str, data: Any) -> None:
    text = read(tag, data)
    assert text is None or text.strip() == text != ""


def test_kinds_are_told_apart() -> None:
    kinds = [one.kind for one in OBJECTS.values()]
    assert len(set(kinds)) == len(kinds)
    assert set(ALSO_SHOWN.values()) <= set(OBJECTS.values())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([{"author": 7, "text": 5.0}, {"author": True, "text": "x"}], "7: 5\ntrue: x"),
        ([{"author": "Ann"}, {"text": "no name"}, {"author": "Bo", "text": ""}], "no name"),
        ([{"author": None, "text": None}, {"author": "Bo", "text": "hi"}], "Bo: hi"),
        ([{"author": "Ann", "text": {"a": ["b", 1]}}], "Ann: a: b 1"),
        (["one", None, 2, ["three"]], "one\n2\nthree"),
        ([{"speaker": "Ann", "said": "hi"}], None),
        ([{"author": "Ann", "text": {"a": None}}], None),
        ("a text", None),
        ({"author": "Ann", "text": "hi"}, None),
        ([], None),
        (None, None),
        (5, None),
    ],
)
def test_a_dialogue_of_another_form(data: object, text: str | None) -> None:
    assert read("Paragraphs", data) == text


def test_the_keys_of_a_dialogue_are_those_of_its_tag() -> None:
    said = [{"role": "user", "content": "hi", "author": "no", "text": "no"}]
    assert read("Paragraphs", said, 'nameKey="role" textKey="content"') == "user: hi"
    assert read("Paragraphs", said, 'namekey="role" textkey="content"') == "user: hi"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"b": {"deep": [1, {"x": None}]}, "a": ["p", "q"]}, "a: p q\nb: deep: 1 x:"),
        ({"a": None, "b": "", "c": {}}, None),
        ({"a": False}, "a: false"),
        ([{"a": 1, "b": "x"}, {"a": 2, "b": None}], "a: 1, b: x\na: 2"),
        (["one", 2, None, {"a": 3}], "one\n2\na: 3"),
        ('{"a": "in a text"}', "a: in a text"),
        ("a text", None),
        ("[" * 100_000, None),
        ({}, None),
        (None, None),
        (5, None),
    ],
    ids=str,
)
def test_a_table_of_another_form(data: object, text: str | None) -> None:
    """The page shows the JSON in a text, too, and of other texts that there is no data."""
    assert read("Table", data) == text


def test_the_order_of_keys_in_storage_does_not_matter() -> None:
    """PostgreSQL keeps the keys of an object in its own order, sqlite as they came."""
    assert read("Table", {"b": 1, "A": 2}) == read("Table", {"A": 2, "b": 1}) == "A: 2\nb: 1"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([{"role": "user", "content": [{"type": "text", "text": "hi"}, "you"]}], "user: hi you"),
        ([{"role": "tool", "content": None}, {"content": "hi"}], "hi"),
        ([], None),
        ("a text", None),
    ],
)
def test_a_conversation_of_another_form(data: object, text: str | None) -> None:
    assert read("Chat", data) == text


def test_words_are_found_however_deep_they_are() -> None:
    deep: object = "end"
    for _ in range(10_000):
        deep = [deep]
    assert words_in(deep) == "end"
    assert words_in({"a": [1, {"b": True}]}) == "a: 1 b: true"


LARGE: dict[str, tuple[str, Any]] = {
    "long values": ("Table", {f"key {number}": "x" * 1_000_000 for number in range(10)}),
    "many keys": ("Table", {f"key {number}": "some value" for number in range(400_000)}),
    "many rows": ("Table", [{"a": "some", "b": "value"}] * 400_000),
    "rows without a value": ("Table", [{"a": None}] * 400_000),
    "one row of many keys": ("Table", [{f"key {number}": "x" for number in range(400_000)}]),
    "deep values": ("Table", {"a": {f"key {number}": [number] for number in range(400_000)}}),
    "many messages": ("Paragraphs", [{"author": "Ann", "text": "some words"}] * 300_000),
    "messages without words": ("Chat", [{"role": "user", "content": None}] * 400_000),
}


@pytest.mark.parametrize("case", LARGE)
def test_of_ten_megabytes_only_the_beginning_is_read(case: str) -> None:
    """The server reads what each task shows, and whoever asks it meanwhile would wait."""
    tag, data = LARGE[case]
    text = read(tag, data)
    assert len(text or "") <= MOST_CHARACTERS
    cut = data if isinstance(data, list) else dict(list(data.items())[:MOST_ENTRIES])
    assert text == read(tag, cut[:MOST_ENTRIES] if isinstance(cut, list) else cut)


@pytest.mark.parametrize(
    ("tag", "attributes", "reason"),
    [
        ("Table", 'valueType="csv"', "<Table valueType=csv> is not read"),
        ("Chat", 'resolver="x"', "<Chat resolver=...> is not supported"),
        ("Video", 'valueList="$x"', "<Video valueList=...> is not read"),
    ],
)
def test_what_is_not_in_the_task_is_refused(tag: str, attributes: str, reason: str) -> None:
    with pytest.raises(UnsupportedConfig, match=reason):
        showing(tag, attributes)


def test_questions_about_a_chat_are_learnt_and_its_messages_are_not() -> None:
    """A <Chat> in which people write is a control as well."""
    config = parse(
        '<View><Chat name="chat" value="$chat" toName="chat" minMessages="4"/>'
        '<Rating name="stars" toName="chat"/></View>'
    )
    assert [one.from_name for one in config.questions] == ["stars"]
    assert config.left_out == ("Chat 'chat' is not learnt",)
    assert config.unshown == {"Chat": '<Paragraphs nameKey="role" textKey="content">'}
    with pytest.raises(UnsupportedConfig, match="Chat 'chat' is not learnt"):
        parse('<View><Chat name="chat" value="$chat" toName="chat"/></View>')


def test_what_is_stored_of_an_interface_stays_the_same() -> None:
    """Datasets would be encoded again."""
    xml = (
        '<View><Text name="t" value="$t"/><HyperText name="h" value="$h" encoding="base64"/>'
        '<Image name="i" value="$i"/><Video name="v" value="$v"/><Audio name="a" value="$a"/>'
        '<Paragraphs name="p" value="$p"/><Table name="d" value="$d"/>'
        '<Repeater on="$r" indexFlag="{{i}}"><Text name="x" value="$r[{{i}}]"/></Repeater>'
        '<Choices name="c" toName="t"><Choice value="a"/><Choice value="b"/></Choices></View>'
    )
    assert json.dumps([source.identity() for source in parse(xml, ignored=()).sources]) == (
        '[["text", "$t", "none", null], ["html", "$h", "base64", null], '
        '["image", "$i", "none", null], ["video", "$v", "none", null], '
        '["track", "$v", "none", null], ["audio", "$a", "none", null], '
        '["paragraphs", "$p", "author", "text", null], '
        '["table", "$d", "none", null], ["text", "$r[{{i}}]", "none", ["$r", "{{i}}"]]]'
    )


def test_every_medium_has_its_words_and_its_encoder() -> None:
    media = set(get_args(Medium)) - {"pair", "list"}  # which are nothing that is read
    assert set(READS) == set(ENCODER_SETTINGS) == set(KINDS) == media
    assert {*TUNED, *FROZEN, *READ_AS} == media - {"beside"}, "which is read with `tokens`"
    assert {one.medium for one in OBJECTS.values()} <= media


def test_a_task_keeps_its_content_key() -> None:
    """Vectors are found by it."""
    task: Json = {"data": "  One \n two "}
    parts = parts_of(task, showing("Text"))
    assert parts is not None
    assert key_of(parts) == -6358778580413674143
