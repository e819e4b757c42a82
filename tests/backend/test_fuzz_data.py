"""Label configs, task data and annotations of every shape: refused with a reason, or read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import UnsupportedConfig
from backend.interface.answers import answer_of
from backend.interface.content import parts_of
from backend.interface.controls import CONTROLS
from backend.interface.controls.labels import Labels
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.text import MarkedText, Text
from backend.interface.parse import EXAMPLE, parse
from backend.interface.questions import (
    LabelConfig,
    Question,
    Source,
    attributes_in,
    labels_in,
    spans_in,
)
from backend.mirror.pool import Pool
from backend.types import Json
from tests.backend.fuzzing import CHARACTERS, JSON, STORABLE, STRINGS, as_sent, many, report, spoilt

SINGLE = LabelConfig((Question("c", "t", "single", ("a", "b")),), (Source(Text(), "$text"),))
MULTIPLE = LabelConfig((Question("c", "t", "multiple", ("a", "b")),), (Source(Text(), "$text"),))
HTML = LabelConfig((Question("c", "t", "single", ("a", "b")),), (Source(HyperText(), "$text"),))
SEVERAL = LabelConfig(
    (
        Question("c", "t", "single", ("a", "b"), prefix="c: "),
        Question("d", "t", "multiple", ("a", "b"), prefix="d: "),
    ),
    (Source(Text(), "$text"),),
)
SPANS = LabelConfig(
    (Question("c", "t", "spans", ("a", "b"), Labels()),), (Source(MarkedText(), "$text"),)
)
ABOUT = parse(
    '<View><Text name="t" value="$text"/><Text name="q" value="$question"/>'
    '<Labels name="c" toName="t" maxUsages="2"><Label value="a"/><Label value="b"/></Labels>'
    '<Choices name="d" toName="t" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>'
    "</View>"
)
CONFIGS = st.sampled_from([SINGLE, MULTIPLE, HTML])


@pytest.fixture(scope="module")
def tried(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    report(request, counts)


NAMES = st.sampled_from(["", "t", "c", "t,c", "T", " t ", "x:y", "é", "$text"])
VALUES = NAMES | st.sampled_from(
    ["$text", "$my.key", "$", "$a b", "fixed", "url", "true", "<b>", "&"]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            "name",
            "toName",
            "value",
            "alias",
            "choice",
            "valueType",
            "perRegion",
            "maxUsages",
            "whenLabelValue",
            "xmlns",
            "xml:lang",
        ]
    ),
    VALUES | st.sampled_from(["multiple", "single-radio"]) | STRINGS,
    max_size=4,
)
ASKING = [*CONTROLS]
TAGS = st.sampled_from(
    [*ASKING, "View", "Text", "HyperText", "Choice", "Label", "Image", "x:View", "é"]
)


def element(tag: str, attributes: dict[str, str], inside: list[str]) -> str:
    given = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{given}>{''.join(inside)}</{tag}>"


TREES = st.recursive(
    st.builds(element, TAGS, ATTRIBUTES, st.just([])),
    lambda inner: st.builds(element, TAGS, ATTRIBUTES, st.lists(inner, max_size=4)),
    max_leaves=8,
)


CHOICE = st.sampled_from([{"value": "a"}, {"value": "b"}, {"value": "x", "alias": "c"}])
NOTHING: st.SearchStrategy[dict[str, str]] = st.just({})
EXTRAS = NOTHING | NOTHING | ATTRIBUTES


@st.composite
def nearly_right(draw: st.DrawFn) -> str:
    """A config that is right but for some of its attributes."""
    controls = "".join(
        element(
            draw(st.sampled_from([*ASKING, "Choices"])),
            {"name": name, "toName": "t", **draw(EXTRAS)},
            [
                element(draw(st.sampled_from(["Choice", "Label"])), attributes, [])
                for attributes in draw(st.lists(CHOICE | CHOICE | ATTRIBUTES, max_size=4))
            ],
        )
        for name in draw(st.sampled_from(["c", "cd"]))
    )
    target = {"name": "t", "value": "$text", **draw(EXTRAS)}
    text = element(draw(st.sampled_from(["Text", "HyperText"])), target, [])
    return element("View", {}, [text, controls, element(draw(TAGS), draw(EXTRAS), [])])


@st.composite
def scribbled(draw: st.DrawFn) -> str:
    """Our example with a piece of it replaced."""
    start = draw(st.integers(0, len(EXAMPLE)))
    end = draw(st.integers(start, min(len(EXAMPLE), start + 20)))
    return EXAMPLE[:start] + draw(st.text(CHARACTERS, max_size=5)) + EXAMPLE[end:]


CHOICES = "".join(f'<Choice value="{number}"/>' for number in range(5000))
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
HOSTILE = st.sampled_from(
    [
        BOMB + EXAMPLE.replace("Yes", "&b;"),
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + EXAMPLE,
        '<?xml version="1.0" encoding="utf-16"?>' + EXAMPLE,
        '<?xml version="1.0" encoding="no-such"?>' + EXAMPLE,
        '<?xml-stylesheet href="x"?><!-- -->' + EXAMPLE,
        EXAMPLE.replace("<View>", '<View xmlns="http://example.com/x">'),
        EXAMPLE.replace('<Choice value="No"/>', CHOICES),
        EXAMPLE.replace('<Choice value="No"/>', CHOICES + '<Choice value="4999"/>'),
        EXAMPLE.replace("<Choice ", "<View>" * 5000 + "<Choice ", 1),
        "<View>" * 20_000 + EXAMPLE + "</View>" * 20_000,
        EXAMPLE + EXAMPLE,
        EXAMPLE.replace("No", "&#xD800;"),
        EXAMPLE.replace("No", "&#133;"),
        "\ufeff" + EXAMPLE,
    ]
)


@many(1500)
@given(xml=nearly_right() | nearly_right() | TREES | scribbled() | HOSTILE | STRINGS)
def test_a_label_config_is_read_or_refused(tried: Counter[str], xml: str) -> None:
    tried["label configs"] += 1
    try:
        config = parse(xml)
    except UnsupportedConfig as refused:
        assert refused.reason.strip()
        return
    fewest = 1 if config.kind == "spans" else 2
    assert len(set(config.labels)) == len(config.labels) >= fewest
    assert sum(group.stop - group.start for group in config.groups) in (0, len(config.labels))
    assert all(config.labels)
    assert config.layout
    assert all(key and not key.startswith("$") for one in config.sources for key in one.keys)


REGION = {
    "id": "x",
    "from_name": "c",
    "to_name": "t",
    "type": "choices",
    "value": {"choices": ["a"]},
}
MARKED = {**REGION, "value": {"start": 0, "end": 3, "text": "abc", "labels": ["a"]}}
RESULTS = (
    spoilt(
        [
            REGION,
            {**REGION, "value": {"choices": ["b", "gone"]}},
            {**REGION, "from_name": "d"},
            MARKED,
            {**MARKED, "from_name": "d", "value": {"start": 0, "end": 3, "choices": ["a"]}},
        ],
        STORABLE,
    )
    | STORABLE
)
MARKUP = st.lists(
    st.sampled_from(
        (
            *(
                "<p>",
                "</p>",
                "<br/>",
                "<!--",
                "-->",
                "<script>",
                "</script>",
                "<?xml version='1.0'?>",
            ),
            *("<html>", "<body>", "<head>", "<table><tr>", "&amp;", "&#0;", "&#xD800;", "&nope;"),
            *(
                "<![CDATA[",
                "]]>",
                "<svg xmlns='x'>",
                "<x:y>",
                "<textarea>",
                "<meta charset='utf-16'>",
            ),
            *("<p " * 50, "<div>" * 300, "<a href='", "'>", "word", " "),
        )
    )
    | STRINGS,
    max_size=8,
).map("".join)
DATA = st.fixed_dictionaries({"text": MARKUP | STRINGS | STORABLE}) | STORABLE


@many(1500)
@given(
    config=CONFIGS | st.sampled_from([SEVERAL, SPANS, ABOUT]),
    data=DATA | JSON,
    result=RESULTS | JSON,
)
def test_task_data_has_a_text_or_none_and_results_have_known_labels(
    tried: Counter[str], config: LabelConfig, data: Any, result: Any
) -> None:
    tried["texts and results"] += 1
    parts = parts_of(data, config)
    assert parts is None or any(parts)
    answer = answer_of(result, config)
    assert answer is None or len(answer) > 0
    labels, spans = labels_in(answer or ()), spans_in(answer or ())
    assert not (spans if config.kind != "spans" else labels)
    assert set(labels) <= set(config.labels)
    assert all(span.label in config.labels and span.start < span.end for span in spans)
    about = attributes_in(answer or ())
    assert all(one.label in config.attribute_places and one.start < one.end for one in about)


TAME = st.lists(
    st.sampled_from(
        (
            *("<?xml version='1.0' encoding='utf-8'?>", "<!-- x -->", "<script>x</script>"),
            *("<html>", "<body>", "<p>", "</p>", "<br/>", "<table><tr>", "<meta charset='utf-16'>"),
            *("<x:y>", "&amp;", "&nope;", "&#xD800;", "\ud800", "\x00", "\ufeff", "word", " "),
            "<div>" * 300,
        )
    ),
    max_size=4,
).map("".join)


@many(600)
@given(before=TAME, after=MARKUP)
def test_a_paragraph_is_read_whatever_stands_around_it(
    tried: Counter[str], before: str, after: str
) -> None:
    tried["pages"] += 1
    parts = parts_of({"text": f"{before}<p>needle</p>{after}"}, HTML)
    assert parts is not None and "needle" in str(parts[0])


def annotation(result: Any, was_cancelled: bool = False) -> Json:
    return {"id": 1, "result": result, "was_cancelled": was_cancelled}


@st.composite
def odd_tasks(draw: st.DrawFn) -> list[Json]:
    given = draw(
        st.lists(st.tuples(DATA, st.lists(RESULTS, max_size=2), st.booleans()), max_size=4)
    )
    return [
        {"id": number, "data": data, "annotations": [annotation(each, skip) for each in results]}
        for number, (data, results, skip) in enumerate(given, start=10)
    ]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder: Path = tmp_path_factory.mktemp("pool")
    made = Pool(folder / "pool.sqlite")
    yield made
    made.close()


@many(700)
@given(config=CONFIGS, odd=odd_tasks(), empty_is_none=st.booleans())
def test_one_odd_task_never_blocks_the_others(
    pool: Pool, tried: Counter[str], config: LabelConfig, odd: list[Json], empty_is_none: bool
) -> None:
    tried["tasks"] += len(odd)
    good = {"data": {"text": "good"}, "annotations": [annotation([REGION])]}
    tasks = as_sent([{"id": 1, **good}, *odd, {"id": 99, **good}])
    pool.keep_only(set())
    assert pool.update(tasks, config) == len(tasks)
    assert pool.update(tasks, config) == 0, "nothing has changed"
    seen = pool.labelling(config, empty_is_none)
    assert seen.answers[1] == seen.answers[99] == ("a",)
    ids, keys = pool.keys(config, 0)
    pool.rekey(config)
    assert np.array_equal(pool.keys(config, 0), (ids, keys))
    parts = pool.parts(seen.ids, config)
    assert all(map(any, parts)) and parts[0] == parts[-1] == ("good",)
    assert pool.annotation_count() == sum(len(each["annotations"]) for each in tasks)
