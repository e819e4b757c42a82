import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import UnsupportedConfig
from backend.interface.answers import answer_of, read_result
from backend.interface.content import parts_of
from backend.interface.controls import CONTROLS
from backend.interface.controls.choices import Choices
from backend.interface.controls.control import Called
from backend.interface.controls.rating import Rating
from backend.interface.controls.taxonomy import Taxonomy
from backend.interface.objects.hypertext import HyperText
from backend.interface.objects.text import MarkedText, Text
from backend.interface.parse import ADVICE, EXAMPLE, NOTHING_ASKED, parse
from backend.interface.preannotations import regions_of
from backend.interface.questions import (
    MOST_NAMED_NODES,
    LabelConfig,
    Question,
    Source,
    attributes_in,
    spans_in,
)
from backend.interface.values import Repeat
from backend.mirror.votes import consensus
from model.spans.tags import Attribute, Span
from model.types import Condition, LabelGroup, in_words, is_of_text, is_of_tokens


def config(choices: str = '<Choice value="a"/><Choice value="b"/>', **changed: str) -> str:
    parts = {"object": '<Text name="t" value="$text"/>', "attributes": "", **changed}
    return (
        f"<View>{parts['object']}<Choices name='c' toName='t' {parts['attributes']}>"
        f"{choices}</Choices></View>"
    )


def test_the_example_that_we_advise_is_supported() -> None:
    called = {"Yes": Called(("Yes",)), "No": Called(("No",))}
    assert parse(EXAMPLE) == LabelConfig(
        (Question("label", "text", "single", ("Yes", "No"), called=called),),
        (Source(Text(), "$text"),),
    )


def test_an_interface_that_is_nested_too_deep_is_refused() -> None:
    """It ended /setup in an error 500, and each turn of its project."""
    question = '<Choices name="c" toName="t"><Choice value="a"/><Choice value="b"/></Choices>'
    inner = f'<View><Text name="t" value="$text"/>{question}</View>'
    assert parse("<View>" * 97 + inner + "</View>" * 97).labels == ("a", "b")
    for levels in (98, 20_000):
        with pytest.raises(UnsupportedConfig, match="nested more than 100 deep"):
            parse("<View>" * levels + inner + "</View>" * levels)


def test_nested_layout_aliases_and_any_data_key() -> None:
    xml = """<View><Style>.x{}</Style><View className="x"><HyperText name="page" value="$my_html"/>
    </View><View><View><Choices name="q" toName="page" choice="multiple" showInline="true">
    <View><Choice value="Very good" alias="good"/></View><Choice value="bad" hotkey="2"/>
    </Choices></View></View></View>"""
    called = {"good": Called(("Very good",)), "bad": Called(("bad",))}
    assert parse(xml) == LabelConfig(
        (Question("q", "page", "multiple", ("good", "bad"), called=called),),
        (Source(HyperText(), "$my_html"),),
    )


def test_answers_are_called_what_annotators_see_and_not_what_is_stored() -> None:
    choices = (
        '<Choice value="Very good" alias="1" hint="Praise without a but"/>'
        '<Choice alias="bad"/><Choice value="no idea"/>'
    )
    (question,) = parse(config(choices)).questions
    assert question.called == {
        "1": Called(("Very good",), "Praise without a but"),
        "bad": Called(("bad",)),
        "no idea": Called(("no idea",)),
    }


ANIMALS = """<View><Text name="t" value="$text"/><Taxonomy name="c" toName="t" leafsOnly="true">
  <Choice value="Animals" alias="a"><Choice value="Cat"/><Choice value="Dog"/></Choice>
  <Choice value="Plants"/>
</Taxonomy></View>"""


def test_a_node_is_called_by_all_names_down_to_it() -> None:
    hinted = ANIMALS.replace('value="Cat"', 'value="Cat" alias="c" hint="Purrs"')
    (question,) = parse(hinted).questions
    assert question.called == {
        "a": Called(("Animals",)),
        "a / c": Called(("Animals", "Cat"), "Purrs"),
        "a / Dog": Called(("Animals", "Dog")),
        "Plants": Called(("Plants",)),
    }


def test_each_node_of_a_taxonomy_is_a_label() -> None:
    found = parse(ANIMALS)
    (question,) = found.questions
    assert found.kind == "multiple"
    assert found.labels == ("a", "a / Cat", "a / Dog", "Plants")
    control = Taxonomy(
        {
            "a": ("a",),
            "a / Cat": ("a", "Cat"),
            "a / Dog": ("a", "Dog"),  # an alias is in the path, too
            "Plants": ("Plants",),
        },
        is_leaf_only=True,
    )
    assert question.control == control
    assert control.inner_nodes == {"a"}


@pytest.mark.parametrize(
    ("taxonomy", "reason"),
    [
        (
            'apiUrl="https://example.org/tree.json"',
            "Taxonomy 'c' takes its choices from https://example.org/tree.json",
        ),
        (
            'value="$tree"',
            "Taxonomy 'c' takes its choices from each task's own $tree, and only those of all "
            "tasks are learnt",
        ),
        ('perRegion="true"', "Taxonomy 'c' is asked about a part of the task (perRegion)"),
    ],
)
def test_a_taxonomy_that_is_loaded_from_elsewhere_is_refused(taxonomy: str, reason: str) -> None:
    with pytest.raises(UnsupportedConfig) as refused:
        parse(ANIMALS.replace('leafsOnly="true"', taxonomy))
    assert refused.value.reason == reason


def test_media_that_nobody_can_read_are_left_out_unless_asked_about() -> None:
    shown = '<Image name="i" value="$image"/>'
    xml = config().replace("<View>", f"<View>{shown}")
    assert parse(xml).layout == ("text", "image")
    assert parse(xml, ["image", "video"]) == parse(config())
    with pytest.raises(UnsupportedConfig, match="not read by this backend"):
        parse(config(object='<Image name="t" value="$image"/>'), ["image"])


def test_the_stars_of_a_rating_are_labels_in_an_order() -> None:
    asked = '<Rating name="r" toName="t" maxRating="3"/>'
    found = parse(f'<View><Text name="t" value="$text"/>{asked}</View>')
    assert [question.control for question in found.questions] == [Rating()]
    assert (found.kind, found.labels) == ("ordered", ("1", "2", "3"))
    assert found.questions[0].called == {}, "numbers say nothing of a text"


CHOICE = '<Choice value="one more"/>'
TREE = '<Taxonomy name="x" toName="t"><Choice value="p"/><Choice value="b"/></Taxonomy>'


def test_several_questions_are_learnt_together() -> None:
    stars = '<Rating name="r" toName="t" maxRating="2"/>'
    found = parse(config().replace("</View>", f"{stars}{TREE}</View>"))
    assert [(one.from_name, one.control, one.answers) for one in found.questions] == [
        ("c", Choices(), ("a", "b")),
        ("r", Rating(), ("1", "2")),
        ("x", Taxonomy({"p": ("p",), "b": ("b",)}), ("p", "b")),
    ]
    assert found.labels == ("c: a", "c: b", "r: 1", "r: 2", "x: p", "x: b"), "they are distinct"
    assert found.kind == "multiple"
    assert found.groups == (
        LabelGroup("single", 0, 2),
        LabelGroup("ordered", 2, 4),
        LabelGroup("multiple", 4, 6),
    )
    assert parse(config()).groups == ()


def test_questions_and_nodes_that_nobody_answered_are_not_learnt_yet() -> None:
    found = parse(config().replace("</View>", f"{TREE}</View>"))
    assert found.learnable({"x: b"}).labels == ("x: b",)
    assert found.learnable({"c: a", "x: b"}).labels == ("c: a", "c: b", "x: b")
    assert found.learnable(set()).labels == ("c: a",)
    assert parse(config()).learnable(set()) == parse(config())


def test_what_has_a_name_to_be_known_by_is_learnt_before_anybody_gave_it() -> None:
    found = parse(config().replace("</View>", f"{TREE}</View>"))
    assert found.learnable(set(), {"c: a"}).labels == ("c: a", "c: b")
    assert found.learnable({"c: a"}, {"x: p"}).labels == ("c: a", "c: b", "x: p")
    nothing = found.learnable(set(), set())
    assert (nothing.labels, nothing.questions[0].called) == (("c: a",), {})


def test_of_a_very_large_taxonomy_only_what_was_given_is_learnt() -> None:
    nodes = "".join(f'<Choice value="node {number}"/>' for number in range(MOST_NAMED_NODES))
    tree = f'<View><Text name="t" value="$text"/><Taxonomy name="x" toName="t">{nodes}</Taxonomy>'
    few, many = parse(f"{tree}</View>"), parse(f"{tree}</View>".replace(nodes, nodes + CHOICE))
    assert few.learnable({"node 3"}, {*few.labels}) == few
    learnt = many.learnable({"node 3"}, {*many.labels})
    assert learnt.labels == ("node 3",)
    assert learnt.questions[0].called["node 3"] == Called(("node 3",)), "it keeps its name"
    nothing = many.learnable(set(), {*many.labels})
    assert nothing.questions[0].called == {}, "one node alone is no answer to any text"


def test_what_cannot_be_learnt_is_left_to_people_and_named() -> None:
    others = (
        '<TextArea name="why" toName="t"/><RectangleLabels name="box" toName="i"/>'
        '<Choices name="one" toName="t"><Choice value="x"/></Choices>'
        '<Image name="i" value="$image"/>'
    )
    found = parse(config().replace("</View>", f"{others}</View>"))
    assert found.questions == parse(config()).questions
    assert found.left_out == (
        "TextArea 'why' over <Text> is not learnt",
        "RectangleLabels 'box' needs one or more labels with a value",
        "Choices 'one' needs two or more choices with a value",
    )
    assert found.others == {"why", "box", "one"}, "their results are no mistakes"


def asked_if(condition: str, view: str = "") -> str:
    """`config()`, and a second question under this condition."""
    below = f'<Choices name="d" toName="t" {condition}><Choice value="x"/><Choice value="y"/>'
    return config().replace("</View>", f"<View {view}>{below}</Choices></View></View>")


A, NOT_A, ANY = Condition(("c: a",)), Condition(("c: a",), True), Condition(("c: a", "c: b"))
SELECTED, UNSELECTED = 'visibleWhen="choice-selected"', 'visibleWhen="choice-unselected"'


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (f'{SELECTED} whenTagName="c" whenChoiceValue="a"', A),
        (f'{SELECTED} whenTagName="c" whenChoiceValue="a,b"', ANY),
        (f'{SELECTED} whenTagName="c"', ANY),
        (SELECTED, ANY),
        (f'{UNSELECTED} whenTagName="c" whenChoiceValue="a"', NOT_A),
        ('visiblewhen="choice-selected" whentagname="c" whenchoicevalue="a"', A),
        ('whenChoiceValue="a"', A),
        ('visibleWhen="no-region-selected"', None),
        ('whenTagName="c"', None),
        ("", None),
    ],
)
def test_a_question_that_follows_from_another_is_learnt_with_its_condition(
    condition: str, met: Condition | None
) -> None:
    for found in (parse(asked_if(condition)), parse(asked_if("", view=condition))):
        first, second = found.questions
        assert (first.conditions, second.from_name) == ((), "d")
        assert second.conditions == (() if met is None else (met,))
        assert [group.conditions for group in found.groups] == [(), second.conditions]
        assert found.left_out == ()


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (
            'visibleWhen="region-selected"',
            "Choices 'd' is asked about a part of the task (visibleWhen=region-selected)",
        ),
        ('perRegion="true"', "Choices 'd' is asked about a part of the task (perRegion)"),
        ('perregion="true"', "Choices 'd' is asked about a part of the task (perRegion)"),
        ('perItem="true"', "Choices 'd' is asked about a part of the task (perItem)"),
        (
            f'{SELECTED} whenTagName="gone"',
            "Choices 'd' is not always asked, and it depends on 'gone', which is not learnt",
        ),
        (
            f'{SELECTED} whenTagName="c" whenChoiceValue="z"',
            "Choices 'd' is not always asked, and it depends on 'z', which is no answer to 'c'",
        ),
        (
            f'{SELECTED} whenChoiceValue="z"',
            "Choices 'd' is not always asked, and it depends on 'z', which is no answer to any "
            "other question",
        ),
    ],
)
def test_a_question_about_something_else_is_left_to_people(condition: str, reason: str) -> None:
    found = parse(asked_if(condition))
    assert (found.questions, found.left_out) == (parse(config()).questions, (reason,))


def test_a_view_is_shown_after_any_choice_where_it_names_no_tag() -> None:
    found = parse(asked_if("", view=f'{SELECTED} whenChoiceValue="z"'))
    assert found.questions[1].conditions == (ANY,)


def test_what_depends_on_a_question_that_depends_needs_both() -> None:
    third = f"""<Choices name="e" toName="t" {SELECTED} whenTagName="d" whenChoiceValue="x">
        <Choice value="p"/><Choice value="q"/></Choices></View>"""
    chain = asked_if(f'{SELECTED} whenTagName="c" whenChoiceValue="a"')
    found = parse(chain.removesuffix("</View>") + third)
    assert found.questions[2].conditions == (Condition(("d: x",)), A)
    assert [one.from_name for one in found.in_turn] == ["c", "d", "e"]


@pytest.mark.parametrize("name", ["Dog", "d"])
def test_a_condition_names_a_choice_by_its_value_or_its_alias(name: str) -> None:
    xml = config('<Choice value="Dog" alias="d"/><Choice value="Cat"/>')
    below = f'<Choices name="k" toName="t" {SELECTED} whenTagName="c" whenChoiceValue="{name}">'
    both = xml.replace("</View>", f'{below}<Choice value="x"/><Choice value="y"/></Choices></View>')
    assert parse(both).questions[1].conditions == (Condition(("c: d",)),)


def test_questions_about_each_item_of_a_list_are_refused() -> None:
    with pytest.raises(UnsupportedConfig, match="Choices 'c' is asked about each item of a list"):
        parse(config().replace("<View>", '<Repeater on="$l">').replace("</View>", "</Repeater>"))


NESTED = """<View><Text name="t" value="$text"/>
  <Choices name="c" toName="t" allowNested="true" choice="multiple">
    <Choice value="Sport" alias="s"><Choice value="Ball"/><Choice value="Ski"/></Choice>
    <Choice value="World"/>
  </Choices></View>"""


def test_nested_choices_are_a_taxonomy_of_which_leaves_are_given() -> None:
    (several,) = parse(NESTED).questions
    assert (several.kind, several.control.is_learnt_in_parts) == ("multiple", True)
    assert several.answers == ("s", "s / Ball", "s / Ski", "World")
    ticked = {"choices": [["s", "Ball"], ["World"]]}
    assert list(several.control.read(ticked)) == ["s", "s / Ball", "World"]
    assert several.control.stated(["s", "s / Ball", "World"]) == ["s / Ball", "World"]
    assert several.control.write(["s / Ball", "World"]) == ticked

    (one,) = parse(NESTED.replace('choice="multiple"', "")).questions
    assert (one.kind, one.answers) == ("single", ("s / Ball", "s / Ski", "World"))
    assert one.called["s / Ball"] == Called(("Sport", "Ball"))
    assert list(one.control.read({"choices": [["s", "Ball"]]})) == ["s / Ball"]
    assert one.control.write(["s / Ball"]) == {"choices": [["s", "Ball"]]}


def test_without_nesting_choices_below_others_are_not_offered() -> None:
    (question,) = parse(NESTED.replace('allowNested="true"', "")).questions
    assert question.answers == ("s", "World")


@pytest.mark.parametrize(
    ("value", "unseen"),
    [("$text", ()), ("$a.b[0]", ()), ("$文本", ("$文本",)), ("$a-b", ("$a-b",))],
)
def test_keys_that_label_studios_pages_do_not_fill_in_are_told(
    value: str, unseen: tuple[str, ...]
) -> None:
    assert parse(config().replace("$text", value)).unseen == unseen


def test_everything_that_a_task_shows_is_read() -> None:
    found = parse(
        '<View><Header value="$title"/><Header value="Read this"/>'
        '<Text name="by">By $meta.author</Text>'
        '<Repeater on="$notes" indexFlag="{{i}}"><Text name="n{{i}}" value="$notes[{{i}}].body"/>'
        '<Image name="p{{i}}" value="$notes[{{i}}].photo"/></Repeater>'
        f"{config().removeprefix('<View>')}"
    )
    assert found.sources == (
        Source(Text(), "$text"),
        Source(Text(), "$title"),
        Source(Text(), "By $meta.author"),
        Source(Text(), "$notes[{{i}}].body", repeat=Repeat("$notes", "{{i}}")),
    )


SPANS = (
    '<View><Labels name="e" toName="t"><Label value="Who"/><Label value="Place" alias="where"/>'
    '</Labels><Text name="t" value="$text"/></View>'
)


def test_spans_are_read_token_by_token() -> None:
    found = parse(SPANS)
    assert (found.kind, found.labels) == ("spans", ("Who", "where"))
    assert found.questions[0].called == {}, "a span's label is no name of its text"
    assert found.head_labels == ("O", "B-Who", "I-Who", "B-where", "I-where")
    assert (found.sources, found.layout) == ((Source(MarkedText(), "$text"),), ("tokens",))
    first, second = Span(3, 5, "where"), Span(9, 12, "Who")
    assert found.in_order({second, first, Span(3, 5, "gone")}) == (first, second)


QUESTION = SPANS.replace(
    "</View>",
    '<Header value="Read"/><Text name="q" value="$question"/><Text name="r" '
    'value="$text"/><Header value="$title"/></View>',
    1,
)


def test_other_texts_are_read_before_the_one_in_which_spans_are_marked() -> None:
    found = parse(QUESTION)
    sources = (
        Source(MarkedText(), "$text"),
        Source(Text(), "$question"),
        Source(Text(), "$title"),
    )
    assert (found.sources, found.layout) == (sources, ("tokens", "beside"))
    assert (found.head_labels, found.left_out) == (parse(SPANS).head_labels, ())
    data = {"text": " Ann ", "question": "Who?", "title": "News"}
    assert parts_of(data, found) == (" Ann ", "Who?\nNews")
    assert parts_of({"text": "Ann", "question": None}, found) == ("Ann", None)
    assert parts_of({"question": "Who?"}, found) is None, "there is nothing to mark"
    assert is_of_text(found.layout) and is_of_tokens(found.layout)
    assert in_words(found.layout) == "tokens and a text beside them"


LIMITED = (
    '<View><Text name="t" value="$text"/><Labels name="e" toName="t" maxUsages="2">'
    '<Label value="Who" maxUsages="1"/><Label value="Place" alias="where"/>'
    "</Labels></View>"
)


def test_how_often_a_label_may_be_given_is_obeyed() -> None:
    (question,) = parse(LIMITED).questions
    assert question.limits == {"Who": 1, "where": 2}
    assert parse(LIMITED).rules.limits == {"Who": 1, "where": 2}
    (without,) = parse(LIMITED.replace('maxUsages="2"', 'maxUsages="none"')).questions
    assert without.limits == {"Who": 1}
    (as_in_a_template,) = parse(LIMITED.replace("maxUsages", "maxUsage")).questions
    assert as_in_a_template.limits == question.limits
    (beside, _) = parse(LIMITED.replace("</View>", CHOICES + "</View>")).questions
    assert beside.limits_of_labels == {"e: Who": 1, "e: where": 2}


CHOICES = '<Choices name="c" toName="t"><Choice value="a"/><Choice value="b"/></Choices>'


BOTH = SPANS.replace("</View>", config().removeprefix("<View>"), 1).replace(
    '<Text name="t" value="$text"/>', "", 1
)


def test_spans_and_questions_about_the_same_text_are_learnt_together() -> None:
    found = parse(BOTH)
    assert [one.from_name for one in found.questions] == ["e", "c"]
    assert (found.kind, found.left_out, found.layout) == ("spans", (), ("tokens",))
    assert found.labels == ("e: Who", "e: where", "c: a", "c: b")
    assert found.head_labels == ("O", "B-e: Who", "I-e: Who", "B-e: where", "I-e: where")
    assert found.whole is not None and found.whole.labels == ("c: a", "c: b")
    assert (found.whole.kind, found.whole.groups) == ("single", ())
    assert parse(SPANS).whole is None and parse(config()).whole is None


def test_an_annotation_answers_both() -> None:
    found = parse(BOTH)
    span = {"from_name": "e", "value": {"start": 3, "end": 5, "labels": ["Who"]}}
    choice = {"from_name": "c", "value": {"choices": ["b"]}}
    assert answer_of([span, choice], found) == ("c: b", Span(3, 5, "e: Who"))
    assert answer_of([span], found) == (Span(3, 5, "e: Who"),)
    assert answer_of([choice], found) == ("c: b",)
    written = regions_of([(Span(3, 5, "e: Who"), 0.9)], "so, it is", found)
    assert written[0]["value"] == {"start": 3, "end": 5, "text": " i", "labels": ["Who"]}


def test_spans_may_depend_on_a_choice() -> None:
    when = '<View visibleWhen="choice-selected" whenTagName="c" whenChoiceValue="a"><Labels'
    found = parse(BOTH.replace("<Labels", when).replace("</Labels>", "</Labels></View>"))
    assert found.marking is not None
    assert found.marking.conditions == (Condition(("c: a",)),)
    assert found.are_spans_asked(("c: a",)) and not found.are_spans_asked(("c: b",))
    assert parse(BOTH).are_spans_asked(("c: b",))


def test_of_two_tags_for_spans_the_first_is_learnt() -> None:
    found = parse(
        BOTH.replace("<Labels", '<Labels name="f" toName="t"><Label value="x"/></Labels><Labels', 1)
    )
    assert [one.from_name for one in found.questions] == ["f", "c"]
    assert found.left_out == ("Labels 'e' marks spans",)


@pytest.mark.parametrize("shown", ['<Header value="$title"/>', '<Image name="i" value="$image"/>'])
def test_beside_anything_else_that_is_shown_spans_are_left_to_people(shown: str) -> None:
    found = parse(BOTH.replace("<View>", f"<View>{shown}", 1))
    assert [one.from_name for one in found.questions] == ["c"]
    assert found.left_out == ("Labels 'e' marks spans",)


def test_only_spans_of_texts_are_learnt() -> None:
    with pytest.raises(UnsupportedConfig, match="Labels 'e' over <HyperText> is not learnt"):
        parse(SPANS.replace("<Text", "<HyperText"))
    one = SPANS.replace('<Label value="Who"/>', "")
    assert parse(one).labels == ("where",), "one label is enough to mark"
    with pytest.raises(UnsupportedConfig, match="needs one or more labels"):
        parse(SPANS.replace("<Label ", "<Other "))


def test_questions_of_one_name_are_refused() -> None:
    with pytest.raises(UnsupportedConfig, match="the same answer 'c: a'"):
        parse(f"<View>{config()}{config()}</View>")


def test_two_paths_that_read_the_same_are_refused() -> None:
    with pytest.raises(UnsupportedConfig, match="'a / Cat' twice"):
        parse(ANIMALS.replace('"Plants"', '"a / Cat"'))


def test_single_radio_is_single() -> None:
    assert parse(config(attributes='choice="single-radio"')).kind == "single"


def test_the_advice_names_every_control() -> None:
    """People who are refused are to see what they can write instead."""
    assert all(tag in NOTHING_ASKED and f"<{tag}>" in ADVICE for tag in CONTROLS)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<View/>", NOTHING_ASKED),
        ("<View", "The labelling interface is not valid XML"),
        (config() + config(), "The labelling interface is not valid XML"),
        (config().replace("name='c' ", ""), "A Choices tag has no name"),
        (
            "<View>" * 10_000 + "</View>" * 10_000,
            "nested more than 100 deep",
        ),
        (config(object='<TimeSeries name="t" value="$i"/>'), "<TimeSeries> is not read"),
        (config(object='<Text name="x" value="$i"/>'), "points at no tag named 't'"),
        (config(object='<Text name="t" value="fixed"/>'), "names no data key"),
        (config(object='<Table name="t" value="$u" valueType="csv"/>'), "valueType=csv"),
        (config(attributes='perRegion="true"'), "is asked about a part of the task (perRegion)"),
        ('<View><Chat name="t" toName="t" value="$chat"/></View>', "Chat 't' is not learnt"),
        (config().replace("toName='t'", ""), "Choices 'c' has no toName"),
        (
            config().replace("toName='t'", "toName='t,u'"),
            "Choices 'c' asks about several tags (toName=t,u)",
        ),
        (config('<Choice value="a"/>'), "needs two or more choices"),
        (config('<Choice value="a"/><Choice value=""/>'), "needs two or more choices"),
    ],
)
def test_the_rest_is_refused_with_a_reason(xml: str, reason: str) -> None:
    with pytest.raises(UnsupportedConfig) as refused:
        parse(xml)
    assert reason in refused.value.reason


def test_a_choice_that_stands_twice_is_learnt_once_and_said() -> None:
    """Label Studio's page saves the same for both, and a pre-annotation ticks both."""
    found = parse(config('<Choice value="a"/><Choice value="b"/><Choice value="a"/>'))
    assert found.labels == ("a", "b")
    assert found.left_out == (
        "Choices 'c' has the choice 'a' twice, and annotations do not tell the two apart",
    )
    both = {"from_name": "c", "type": "choices", "value": {"choices": ["a", "a"]}}
    assert answer_of([both], found) == ("a",)


def test_a_choice_that_stands_twice_is_found_among_very_many() -> None:
    """The search took minutes once: it compared each choice with each other."""
    choices = "".join(f'<Choice value="{number}"/>' for number in range(30_000))
    found = parse(config(choices + '<Choice value="29999"/>'))
    assert len(found.labels) == 30_000
    assert "has the choice '29999' twice" in found.left_out[0]


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><View>&a;</View>'
    with pytest.raises(UnsupportedConfig, match="not valid XML"):
        parse(bomb)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with pytest.raises(UnsupportedConfig):
        parse(text)


ABOUT = SPANS.replace(
    "</View>",
    '<Choices name="mood" toName="t" perRegion="true" whenLabelValue="Place"><Choice value="good"/>'
    '<Choice value="bad" alias="b"/></Choices><Rating name="stars" toName="t" perRegion="true" '
    'maxRating="3"/></View>',
)


def test_questions_about_each_span_are_learnt_beside_it() -> None:
    found = parse(ABOUT)
    assert (found.left_out, found.kind, found.labels) == ((), "spans", ("Who", "where"))
    assert found.layout == ("tokens",)
    about = found.about
    assert about is not None
    assert about.labels == ("mood: good", "mood: b", "stars: 1", "stars: 2", "stars: 3")
    assert [(one.kind, one.start, one.stop) for one in about.groups] == [
        ("single", 0, 2),
        ("ordered", 2, 5),
    ]
    assert [one.of_label_only for one in about.questions] == ["where", None]
    assert parse(SPANS).about is None


@pytest.mark.parametrize(
    "xml",
    [
        ABOUT.replace("Labels", "HyperTextLabels"),
        ABOUT.replace('<Choices name="mood" toName="t"', '<Choices name="mood" toName="other"'),
        ABOUT.replace('name="mood"', 'name="mood" visibleWhen="choice-selected"'),
        config().replace("</View>", ABOUT[ABOUT.index("<Choices") :]),
    ],
)
def test_what_is_asked_about_other_regions_is_left_to_people(xml: str) -> None:
    reason = "Choices 'mood' is asked about a part of the task (perRegion)"
    try:
        left_out = parse(xml).left_out
    except UnsupportedConfig as error:
        left_out = (f"{error.reason} {error.advice}",)
    assert any(reason in one for one in left_out)


def test_what_is_said_of_spans_is_read_and_written_as_the_page_saves_it() -> None:
    found = parse(ABOUT)
    place = {"start": 3, "end": 5, "text": "it"}
    result = [
        {"id": "x", "from_name": "e", "value": {**place, "labels": ["where"]}},
        {"id": "x", "from_name": "mood", "value": {**place, "choices": ["b"]}},
        {"id": "x", "from_name": "stars", "value": {**place, "rating": 2}},
        {"id": "y", "from_name": "mood", "value": {**place, "choices": ["gone"]}},
        {"id": "y", "from_name": "mood", "value": {"choices": ["good"]}},
    ]
    read = read_result(result, found)
    said = (Attribute(3, 5, "mood: b"), Attribute(3, 5, "stars: 2"))
    assert read.answer == (Span(3, 5, "where"), *said)
    assert spans_in(read.answer) == (Span(3, 5, "where"),) and attributes_in(read.answer) == said
    assert "'gone' is not among the answers of Choices 'mood'" in read.lost
    assert any("of Choices 'mood' has" in one or "to Choices 'mood'" in one for one in read.lost)
    mood = {"from_name": "mood", "to_name": "t", "type": "choices", "value": {"choices": ["b"]}}
    both = [(Span(0, 2, "Who"), 0.9), (Span(3, 5, "where"), 0.8)]
    written = regions_of(both, "so, it is", found, [[mood], [mood]])
    assert [(one["id"], one["from_name"]) for one in written] == [
        ("span-1", "e"),
        ("span-2", "e"),
        ("span-2", "mood"),
    ]
    assert written[2]["value"] == {"start": 3, "end": 5, "text": " i", "choices": ["b"]}


def test_people_agree_on_what_they_say_of_a_span() -> None:
    found = parse(ABOUT)
    span, good, bad = Span(3, 5, "where"), Attribute(3, 5, "mood: good"), Attribute(3, 5, "mood: b")
    assert consensus([(span, good)], found) == (span, good)
    assert consensus([(span, good), (span, good), (span, bad)], found) == (span, good)
    assert consensus([(span, good), (span, bad)], found) == (span,)
    assert consensus([(span, good), (good,)], found) is None
