"""<ParagraphLabels> over <Paragraphs>: which characters of a dialogue people marked."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import UnsupportedConfig
from backend.interface.answers import read_result
from backend.interface.content import parts_of
from backend.interface.parse import parse
from backend.interface.preannotations import regions_of
from backend.interface.questions import spans_in
from backend.mirror.pool import Pool
from backend.types import Json
from model.spans.tags import Span
from tests.backend.fuzzing import JSON

XML = (
    '<View><ParagraphLabels name="label" toName="d"><Label value="A"/><Label value="B" alias="b"/>'
    '</ParagraphLabels><Paragraphs name="d" value="$d" layout="dialogue"/></View>'
)
CONFIG = parse(XML)
BY_TIME = parse(XML.replace("layout=", 'contextscroll="true" layout='))
SAID = [
    {"author": "Mia", "text": "a😀bc  d <b>x</b> &amp;"},
    {"author": "Vin", "text": "  lead\n\nline  two "},
    {"author": "Mia", "text": 7},
    {"author": "X", "text": None},
    {"author": "Vin", "text": "last one"},
    {"author": "Vin", "text": ""},
    {"text": "no author"},
]
"""Marked in a browser with Label Studio 1.23.2, which saved the values below."""


def text_of(said: object, config: Any = CONFIG) -> str:
    parts = parts_of({"d": said}, config)
    return (parts and parts[0]) or ""


TEXT = text_of(SAID)


def value(start: object, first: object, end: object, last: object, **others: object) -> Json:
    places = {"start": start, "startOffset": first, "end": end, "endOffset": last}
    return {**places, "paragraphlabels": ["A"], **others}


def region(one: object) -> Json:
    return {"from_name": "label", "to_name": "d", "type": "paragraphlabels", "value": one}


def marked(one: object, text: str = TEXT) -> list[str]:
    """What a span's characters are, with its label."""
    found = read_result([region(one)], CONFIG, text).answer or ()
    return [f"{span.label}: {text[span.start : span.end]}" for span in spans_in(found)]


def test_the_model_reads_who_says_what_and_nothing_moves() -> None:
    assert TEXT.split("\u2029") == [
        "Mia:\u2028a😀bc  d <b>x</b> &amp;",
        "Vin:\u2028  lead\n\nline  two ",
        "Mia:\u20287",
        "X:\u2028",
        "Vin:\u2028last one",
        "Vin:\u2028",
        "\u2028no author",
    ]
    assert (CONFIG.layout, CONFIG.head_labels) == (("tokens",), ("O", "B-A", "I-A", "B-b", "I-b"))
    assert text_of([{"author": "a\u2028b", "text": "c\u2029d\u2028e"}]) == "a b:\u2028c d e"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a text", ""),
        ([], ""),
        ([{"author": "Mia", "text": " "}], ""),
        ([None, "x", {"author": ["Mia", 1], "text": 5.0}], "\u2028\u2029\u2028\u2029Mia 1:\u20285"),
        (
            [{"text": True}, {"text": {"a": 1}}, {"text": ["b"]}, {"text": "c"}],
            "\u2028\u2029" * 3 + "\u2028c",
        ),
    ],
)
def test_other_data_shows_what_the_page_shows_of_it(said: object, text: str) -> None:
    assert text_of(said) == text


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (value("0", 3, "0", 5, text="bc"), ["A: bc"]),
        (value("2", 0, "2", 1), ["A: 7"]),
        (value("6", 3, "6", 9), ["A: author"]),
        (value(6, 3, 6.0, "9"), ["A: author"]),
        (value("0", 2, "0", 3), ["A: 😀"]),
        (value("1", 0, "1", 18), ["A: lead\n\nline  two"]),
        (
            value("1", 2, "4", 4),
            ["A: lead\n\nline  two \u2029Mia:\u20287\u2029X:\u2028\u2029Vin:\u2028last"],
        ),
        (value("3", 0, "4", 8), ["A: last one"]),
        (value("4", 0, "4", 4, paragraphlabels=["b", 3, "A"]), ["A: last", "b: last"]),
    ],
)
def test_a_place_is_a_paragraph_and_code_units_in_what_is_said_there(
    one: Json, found: list[str]
) -> None:
    assert marked(one) == found


@pytest.mark.parametrize(
    "one",
    [
        value("0", 5, "0", 5),
        value("0", 5, "0", 3),
        value("4", 0, "1", 2),
        value("0", 0, "0", 99),
        value("7", 0, "7", 1),
        value("-1", 0, "0", 1),
        value("0", -1, "0", 1),
        value("0", True, "0", 3),
        value(None, 0, "0", 3),
        value("/p[1]", 0, "/p[1]", 3),
        value("1", 0, "1", 2),
        value("3", 0, "3", 0),
        value("0", 0, "0", 3, paragraphlabels="A"),
        {"start": "0", "end": "0", "paragraphlabels": ["A"]},
        {"paragraphlabels": ["A"]},
    ],
)
def test_what_marks_nothing_that_is_there_is_said(one: Json) -> None:
    found = read_result([region(one), region(value("4", 0, "4", 4))], CONFIG, TEXT)
    assert found.answer is not None and len(found.answer) == 1, "the others count"
    (reason,) = found.lost
    assert reason.startswith(
        "an answer to ParagraphLabels 'label' has a form that is not understood, or marks what the "
        "task does not show: {"
    )


def test_a_span_without_a_label_is_said() -> None:
    for one in ({"start": 0, "end": 4, "labels": ["A"]}, {"start": "0", "end": "0"}):
        (reason,) = read_result([region(one)], CONFIG, TEXT).lost
        assert reason.startswith(
            "an answer to ParagraphLabels 'label' is a span without a label: {"
        )


def test_labels_that_are_gone_are_said() -> None:
    found = read_result([region(value("0", 0, "0", 1, paragraphlabels=["old"]))], CONFIG, TEXT)
    assert found.lost == ("'old' is not among the answers of ParagraphLabels 'label'",)


SAVED = [
    value("0", 3, "0", 5, text="bc"),
    value("0", 1, "0", 5, text="😀bc"),
    value("1", 2, "1", 17, text="lead\n\nline  two"),
    value("1", 2, "4", 4, text="lead\n\nline  two \n7\n\nlast"),
    value("6", 0, "6", 9, text="no author"),
]


@pytest.mark.parametrize("one", SAVED)
def test_what_is_read_is_written_as_the_page_saves_it(one: Json) -> None:
    answer = read_result([region(one)], CONFIG, TEXT).answer or ()
    found = [(span, 0.75) for span in spans_in(answer)]
    assert regions_of(found, TEXT, CONFIG) == [{**region(one), "score": 0.75}]


def test_names_are_not_marked_beforehand() -> None:
    last = TEXT.index("last")
    whole, name = Span(last - 5, last + 8, "A"), Span(last - 5, last - 1, "A")
    (only,) = regions_of([(whole, 0.9), (name, 0.8)], TEXT, CONFIG)
    assert only["value"] == value("4", 0, "4", 8, text="last one")


@given(said=st.lists(st.tuples(st.text(), st.text()), min_size=1), data=st.data())
def test_each_place_is_found_again(said: list[tuple[str, str]], data: st.DataObject) -> None:
    text = text_of([{"author": name, "text": words} for name, words in said])
    number = data.draw(st.integers(0, len(said) - 1))
    words = said[number][1].replace("\u2028", " ").replace("\u2029", " ")
    start = data.draw(st.integers(0, len(words)))
    end = data.draw(st.integers(start, len(words)))
    first, last = (len(words[:place].encode("utf-16-le")) // 2 for place in (start, end))
    wanted = words[start:end].strip()
    found = marked(value(str(number), first, str(number), last), text)
    assert found == ([f"A: {wanted}"] if wanted else [])


@given(said=JSON, one=JSON)
def test_no_data_and_no_value_fails(said: Any, one: Any) -> None:
    for config in (CONFIG, BY_TIME):
        text = text_of([said, {"text": "x", "start": said}], config)
        for result in (region(one), region(value(one, 0, one, one))):
            assert read_result([result], config, text) is not None


def test_the_page_numbers_the_paragraphs_by_time_where_it_scrolls() -> None:
    """The order that Label Studio 1.23.2 showed: 0 counts as no time."""
    said = [
        {"author": "a", "text": "zero", "start": 0, "end": 1.5},
        {"author": "b", "text": "five", "start": 5, "duration": 3},
        {"author": "c", "text": "two", "start": 2, "end": 4},
        {"author": "d", "text": "none"},
        {"author": "e", "text": "two again", "start": 2, "end": 3},
    ]
    words = [line.split("\u2028")[1] for line in text_of(said, BY_TIME).split("\u2029")]
    assert words == ["two again", "two", "five", "zero", "none"]
    words = [line.split("\u2028")[1] for line in text_of(said).split("\u2029")]
    assert words == ["zero", "five", "two", "none", "two again"]
    scrolling = XML.replace("layout=", 'contextScroll="true" layout=')
    assert parse(scrolling).sources == BY_TIME.sources


def test_spans_of_dialogues_are_learnt_beside_a_question_and_not_in_files() -> None:
    with pytest.raises(UnsupportedConfig, match="marks spans in a file"):
        parse(XML.replace("layout=", 'valueType="url" layout='))
    with pytest.raises(
        UnsupportedConfig, match="ParagraphLabels 'label' over <Text> is not learnt"
    ):
        parse(XML.replace("<Paragraphs", "<Text"))
    with pytest.raises(UnsupportedConfig, match="Labels 'label' over <Paragraphs> is not learnt"):
        parse(XML.replace("ParagraphLabels", "Labels"))
    both = '<Choices name="c" toName="d"><Choice value="x"/><Choice value="y"/></Choices></View>'
    found = parse(XML.replace("</View>", both))
    assert [question.from_name for question in found.questions] == ["label", "c"]
    assert (found.left_out, found.layout) == ((), ("tokens",))


def test_the_mirror_reads_annotations_beside_the_dialogue(tmp_path: Path) -> None:
    """A paragraph that is gone from the task since is said, and the rest counts."""
    one = {"id": 1, "result": [region(value("4", 0, "4", 4)), region(value("0", 0, "0", 1))]}
    pool = Pool(tmp_path / "pool.sqlite")
    task: Json = {"id": 7, "data": {"d": SAID}, "annotations": [{**one, "was_cancelled": False}]}
    pool.update([task], CONFIG)
    last = TEXT.index("last")
    labelling = pool.labelling(CONFIG, False)
    assert labelling.answers == {7: (Span(5, 6, "A"), Span(last, last + 4, "A"))}
    assert pool.votes(CONFIG, False)[7].answers == [labelling.answers[7]]
    pool.update([{**task, "data": {"d": SAID[:3]}}], CONFIG)
    labelling = pool.labelling(CONFIG, False)
    assert labelling.answers == {7: (Span(5, 6, "A"),)}
    ((reason, tasks),) = labelling.reasons.items()
    assert "marks what the task does not show" in reason and tasks == [7]
    pool.close()


def test_it_is_said_why_spans_of_pages_are_not_learnt() -> None:
    why = "is not learnt: where a span lies is counted in the page as a browser builds it"
    for tag in ("HyperTextLabels", "Labels"):
        with pytest.raises(UnsupportedConfig, match=f"{tag} 'label' over <HyperText> {why}"):
            parse(XML.replace("ParagraphLabels", tag).replace("<Paragraphs", "<HyperText"))
    with pytest.raises(UnsupportedConfig, match="marks nothing with it; write <ParagraphLabels>"):
        parse(XML.replace("ParagraphLabels", "Labels"))
