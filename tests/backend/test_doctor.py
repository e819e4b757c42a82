"""What the doctor reports: a sentence and a fix for each fault, none for a healthy project."""

from dataclasses import replace
from typing import Any

import pytest

from backend.commands.doctor import line_of
from backend.doctor.checks import CHECKS, findings
from backend.doctor.finding import Finding
from backend.doctor.observation import Health, Observation
from backend.doctor.probes import Refusal
from backend.doctor.repairs import (
    delete_left_webhooks,
    fix_webhook,
    left_webhooks,
    order_first_tab,
    require_answers,
    set_sampling,
    set_version,
)
from backend.doctor.required import optional_controls, with_required
from backend.queue.tabs import ORDERING
from backend.queue.webhook import EVENTS, SECRET_HEADER
from backend.types import Json

URL = "http://ml.local:9090"
CONFIG = (
    '<View><Text name="t" value="$t"/><Choices name="c" toName="t" required="true">'
    '<Choice value="a"/><Choice value="b"/></Choices></View>'
)
PROJECT: Json = {
    "id": 7,
    "label_config": CONFIG,
    "sampling": "Uncertainty sampling",
    "model_version": "3.12",
    "maximum_annotations": 1,
    "task_number": 40,
    "show_collab_predictions": True,
}
BACKEND: Json = {"url": URL, "title": "AL", "state": "CO", "error_message": None}
WEBHOOK: Json = {
    "id": 1,
    "url": f"{URL}/webhook",
    "is_active": True,
    "send_payload": True,
    "send_for_all_actions": False,
    "actions": list(EVENTS),
    "headers": {SECRET_HEADER: "secret"},
}
LEFT: Json = {**WEBHOOK, "url": "http://old.local:9090/webhook"}
HEALTHY = Observation(
    "http://studio:8080",
    URL,
    release="1.23.2",
    token_kind="personal access token",
    import_flag=True,
    health=Health(200, 0.004),
    served="3.12",
    state={"sentence": "Version 3.12 is served. 212 labels, 21 audit.", "trouble": None},
    project=PROJECT,
    backends=(BACKEND,),
    webhooks=(WEBHOOK,),
    tabs=({"id": 1, "data": {"ordering": ORDERING}},),
)
LOCAL = Refusal(403, "URL resolves to a reserved network address (block: 127.0.0.0/8)")


def unwell(**changes: Any) -> list[Finding]:
    """What is not ok with these fields changed, without the hint that is always there."""
    found = findings(replace(HEALTHY, **changes))
    return [each for each in found if each.verdict != "ok" and each.name != "entrance"]


def in_project(**changes: object) -> dict[str, object]:
    return {"project": {**PROJECT, **changes}}


def test_a_healthy_project_has_one_hint_and_nothing_wrong() -> None:
    found = findings(HEALTHY)
    assert len(found) == len(CHECKS)
    assert [line_of(each) for each in found] == [
        "ok    server          Label Studio 1.23.2 answers at http://studio:8080",
        "ok    token           The personal access token is accepted",
        "ok    local backends  Label Studio may connect to http://ml.local:9090",
        "ok    local webhooks  Webhooks to http://ml.local:9090 are allowed",
        "ok    host name       Label Studio accepts ml.local for webhooks",
        "ok    import flag     Label Studio recounts only the tasks of a new order",
        "ok    backend         http://ml.local:9090 answers in 4 ms",
        "ok    connection      Project 7 is connected to http://ml.local:9090",
        "ok    only backend    No other backend is connected",
        "ok    interface       2 labels, one label per task",
        "ok    loop            Version 3.12 is served. 212 labels, 21 audit",
        "ok    tasks           All tasks can be read",
        "ok    labels          All annotations are understood",
        "ok    webhook         All events are sent to the backend",
        "ok    left webhooks   No webhook of a removed backend is left",
        'ok    sampling        The sampling mode is "Uncertainty sampling"',
        'ok    model_version   model_version is "3.12", the version that is served',
        "ok    first tab       The first Data Manager tab follows the order, too",
        "ok    overlap         One annotation per task",
        "ok    required        An empty annotation can be saved only where it counts as an answer",
        "hint  entrance        Only Label All Tasks has both the order and locks: through other "
        "entrances two people may get the same task. Fix: Have annotators start on "
        "the project's page, /projects/7/data",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"backend_refusal": LOCAL},
            Finding(
                "local backends",
                "wrong",
                "Label Studio refuses a backend at http://ml.local:9090 (URL resolves to a "
                "reserved network address (block: 127.0.0.0/8))",
                "Start Label Studio with ML_BLOCK_LOCAL_IP=false",
            ),
            id="ML_BLOCK_LOCAL_IP",
        ),
        pytest.param(
            {
                "state": {
                    "sentence": "All is well.",
                    "served": "3.12",
                    "unreadable": 4,
                    "unreadable_tasks": [
                        {"task": task, "reason": "cannot be sent"} for task in (17, 18, 19, 20)
                    ],
                }
            },
            Finding(
                "tasks",
                "hint",
                "4 of 40 tasks cannot be read (task 17: cannot be sent; task 18: cannot be sent; "
                "task 19: cannot be sent)",
                "Do what the reasons say; the status page lists more of them, and Start Training, "
                "in Settings > Model, tries them again",
            ),
            id="unreadable",
        ),
        pytest.param(
            {"health": Health(trouble="ProxyError", proxy=". The environment names a proxy")},
            Finding(
                "backend",
                "wrong",
                "Nothing answers at http://ml.local:9090 from here (ProxyError), so nothing is "
                "learnt. The environment names a proxy",
                "Start the backend, run the doctor where Label Studio runs, or correct "
                "--backend-url",
            ),
            id="proxy",
        ),
        pytest.param(
            {"backend_refusal": Refusal(500, "Can't resolve hostname ml.local")},
            Finding(
                "local backends",
                "wrong",
                "Label Studio refuses a backend at http://ml.local:9090 (Can't resolve hostname "
                "ml.local)",
                "Give the backend an address that Label Studio's machine can resolve, not "
                "http://ml.local:9090",
            ),
            id="unknown host",
        ),
        pytest.param(
            {"webhook_refusal": LOCAL},
            Finding(
                "local webhooks",
                "wrong",
                "Label Studio sends no webhooks to http://ml.local:9090 (URL resolves to a "
                "reserved network address (block: 127.0.0.0/8)): the backend notices labels only "
                "at its next poll",
                "Start Label Studio with SSRF_PROTECTION_ENABLED=false",
            ),
            id="SSRF_PROTECTION_ENABLED",
        ),
        pytest.param(
            {
                "backend_url": "http://ml-backend:9090",
                "webhook_refusal": Refusal(400, "Enter a valid URL."),
            },
            Finding(
                "host name",
                "wrong",
                "Label Studio silently refuses a webhook to ml-backend (Enter a valid URL.): "
                "the backend notices labels only at its next poll",
                "Connect the backend under a host name with a dot, such as ml-backend.local, "
                "localhost, or an IP address",
            ),
            id="host name",
        ),
        pytest.param(
            {"import_flag": False},
            Finding(
                "import flag",
                "wrong",
                "Each new order makes Label Studio recount the whole project, which takes seconds "
                "instead of a fraction of a second",
                "Start Label Studio with "
                "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short=1",
            ),
            id="import flag off",
        ),
        pytest.param(
            {"import_flag": None},
            Finding(
                "import flag",
                "hint",
                "Label Studio shows its feature flags only to personal access tokens",
                "Start Label Studio with "
                "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short=1",
            ),
            id="import flag not shown",
        ),
        pytest.param(
            {"release": "1.20.0", "import_flag": True},
            Finding(
                "import flag",
                "hint",
                "Label Studio 1.20.0 recounts the whole project at each new order, which takes "
                "seconds in a project of thousands of tasks",
                "Update it to 1.21 or newer, and start it with "
                "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short=1",
            ),
            id="import flag of a later release",
        ),
        pytest.param(
            {"health": Health(200, 1.26)},
            Finding(
                "backend",
                "wrong",
                "http://ml.local:9090 took 1.3 s to answer; Label Studio waits for 1 s and then "
                "gives up on a webhook",
                "Give the backend more processor time, or move it closer to Label Studio",
            ),
            id="slow",
        ),
        pytest.param(
            {"backends": (BACKEND, {**BACKEND, "url": "http://other.local:9090"})},
            Finding(
                "only backend",
                "wrong",
                "2 backends are connected: each sets the order, and the last one wins",
                "Delete in Settings > Model: http://other.local:9090",
            ),
            id="two backends",
        ),
        pytest.param(
            {"backends": ({**BACKEND, "state": "ER", "error_message": "400 Client Error"},)},
            Finding(
                "connection",
                "wrong",
                "Label Studio cannot use the backend: 400 Client Error",
                "Fix that, then open Settings > Model of project 7",
            ),
            id="state",
        ),
        pytest.param(
            {"backends": ()},
            Finding(
                "connection",
                "wrong",
                "No backend at http://ml.local:9090 is connected to project 7",
                "python -m backend connect --project 7 --backend-url http://ml.local:9090",
            ),
            id="not connected",
        ),
        pytest.param(
            {"state": {**HEALTHY.state, "trouble": "Label Studio is down"}},
            Finding(
                "loop",
                "wrong",
                "The backend is in trouble: Label Studio is down",
                "Follow its advice, then open Settings > Model",
            ),
            id="trouble",
        ),
        pytest.param(
            {"webhooks": ()},
            Finding(
                "webhook",
                "wrong",
                "The webhook to http://ml.local:9090/webhook is not right (it is missing): the "
                "backend notices labels only at its next poll",
                "Run the doctor with --fix",
                fix_webhook,
            ),
            id="no webhook",
        ),
        pytest.param(
            {
                "webhooks": (
                    {
                        **WEBHOOK,
                        "is_active": False,
                        "send_payload": False,
                        "actions": [*EVENTS[1:]],
                        "headers": {"Authorization": "Basic dTpw"},
                    },
                )
            },
            Finding(
                "webhook",
                "wrong",
                "The webhook to http://ml.local:9090/webhook is not right (without "
                "ANNOTATION_CREATED; switched off; without payload; with the backend's password, "
                "which all users of Label Studio can read): the backend notices labels only at its "
                "next poll",
                "Run the doctor with --fix",
                fix_webhook,
            ),
            id="webhook changed",
        ),
        pytest.param(
            in_project(sampling="Sequential sampling"),
            Finding(
                "sampling",
                "wrong",
                'The sampling mode is "Sequential sampling": Label All Tasks ignores the scores',
                "Run the doctor with --fix; the settings page does not offer "
                '"Uncertainty sampling"',
                set_sampling,
            ),
            id="sampling",
        ),
        pytest.param(
            in_project(model_version="3.11"),
            Finding(
                "model_version",
                "wrong",
                'model_version is "3.11" but "3.12" is served: the queue is random or outdated',
                "Run the doctor with --fix",
                set_version,
            ),
            id="old version",
        ),
        pytest.param(
            in_project(model_version="AL"),
            Finding(
                "model_version",
                "wrong",
                'model_version is "AL", the title of the backend: Label Studio asks the backend '
                "for each task, and the queue is random",
                "Run the doctor with --fix",
                set_version,
            ),
            id="title as version",
        ),
        pytest.param(
            {**in_project(model_version=""), "served": "0.0"},
            Finding(
                "model_version",
                "wrong",
                "The backend serves no version yet: the queue is random",
                "Wait for the first version (tasks are needed), or fix what is wrong above",
            ),
            id="nothing served",
        ),
        pytest.param(
            {"tabs": ()},
            Finding(
                "first tab",
                "wrong",
                "The first Data Manager tab is not in the order of the scores, and links that open "
                "the labelling page directly follow it",
                "Run the doctor with --fix, or order the tab by Prediction score, ascending",
                order_first_tab,
            ),
            id="no tab",
        ),
        pytest.param(
            in_project(maximum_annotations=2),
            Finding(
                "overlap",
                "hint",
                "2 annotations per task: tasks in progress come first, in random order",
                "PATCH /api/projects/7/ with maximum_annotations 1, if that is what you want",
            ),
            id="overlap",
        ),
        pytest.param(
            in_project(label_config=CONFIG.replace(' required="true"', "")),
            Finding(
                "required",
                "hint",
                "Choices are pre-annotated and not required: the hotkey of a ticked choice "
                "unticks it, and an empty annotation is saved, which counts as no label",
                'Run the doctor with --fix, or add required="true" to <Choices> in Settings > '
                "Labeling Interface",
                require_answers,
            ),
            id="not required",
        ),
        pytest.param(
            {"webhooks": (WEBHOOK, LEFT)},
            Finding(
                "left webhooks",
                "wrong",
                "Webhooks of removed backends are left (http://old.local:9090/webhook): every "
                "submit waits for them",
                "Run the doctor with --fix, or delete them in Settings > Webhooks",
                delete_left_webhooks,
            ),
            id="left webhook",
        ),
    ],
)
def test_each_fault_has_its_sentence_and_its_fix(
    changes: dict[str, Any], expected: Finding
) -> None:
    assert expected in unwell(**changes)


NO_VERSION = {
    **HEALTHY.state,
    "served": None,
    "sentence": "No version is served yet. The first one is made once there are tasks.",
}
UNREADABLE = {
    "unreadable": 40,
    "unreadable_tasks": [
        {"task": 12, "reason": "The file is empty. Upload it again"},
        {"task": 13, "reason": "another"},
    ],
}
BLANK = {"nothing_shown": "40 of 40 tasks have nothing under `text`; the first of them has no data"}
LOST = {"not_learnt": [{"reason": "the annotation is empty", "tasks": 3, "first": 12}]}


UNREAD = (
    "40 of 40 tasks cannot be read (task 12: The file is empty. Upload it again; task 13: another)"
)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        pytest.param(
            {**NO_VERSION, **UNREADABLE},
            ("loop", "wrong", f"There is no order yet: {UNREAD}"),
            id="nothing can be read",
        ),
        pytest.param(
            {**NO_VERSION, **BLANK},
            ("loop", "wrong", f"There is no order yet: {BLANK['nothing_shown']}"),
            id="nothing is shown",
        ),
        pytest.param(
            {**HEALTHY.state, **UNREADABLE, **BLANK, "served": "3.12"},
            ("tasks", "hint", f"{UNREAD}; {BLANK['nothing_shown']}"),
            id="some are in order",
        ),
        pytest.param(
            {**NO_VERSION, **UNREADABLE, "activity": {"job": "embed"}},
            ("tasks", "hint", UNREAD),
            id="others are being encoded",
        ),
        pytest.param(
            {**HEALTHY.state, **LOST},
            (
                "labels",
                "hint",
                "Something in annotations is not learnt: the annotation is empty (3 tasks, task 12 "
                "is the first)",
            ),
            id="labels are not learnt",
        ),
    ],
)
def test_what_is_not_read_and_not_learnt_is_told(state: Json, found: tuple[str, str, str]) -> None:
    """It said "ok" of a project of which it could read nothing."""
    (one,) = unwell(state=state)
    assert (one.name, one.verdict, one.sentence) == found


def test_keys_that_annotators_do_not_see_are_told() -> None:
    (one,) = unwell(**in_project(label_config=CONFIG.replace("$t", "$文本")))
    assert one.sentence.startswith("Annotators see $文本 and not the data under it")


def test_a_tag_that_annotators_do_not_see_is_told() -> None:
    """Label Studio accepts the interface, and its page then shows an error."""
    (one,) = unwell(**in_project(label_config=CONFIG.replace("<Text", "<Chat")))
    assert one.sentence.startswith("The free Label Studio does not show <Chat>")
    assert 'Write <Paragraphs nameKey="role" textKey="content"> in' in one.fix


def test_a_fault_is_named_once() -> None:
    """One cause, one line: a reader fixes the first and is not sent after its consequences."""
    assert [each.name for each in unwell(webhook_refusal=LOCAL)] == ["local webhooks"]
    assert [each.name for each in unwell(backend_refusal=LOCAL)] == ["local backends"]
    assert [each.name for each in unwell(**in_project(sampling="Uniform sampling"))] == ["sampling"]
    nobody = {"health": Health(trouble="ConnectTimeout"), "served": "", "state": {}}
    assert [each.name for each in unwell(**nobody)] == ["backend"]
    assert [each.name for each in unwell(**in_project(label_config="<View/>"))] == ["interface"]


@pytest.mark.parametrize(
    ("health", "sentence"),
    [
        (
            Health(trouble="ConnectTimeout"),
            "Nothing answers at http://ml.local:9090 from here (ConnectTimeout), so "
            "nothing is learnt",
        ),
        (Health(401), "http://ml.local:9090 does not accept the doctor's user name and password"),
        (
            Health(404),
            "http://ml.local:9090/health answers 404: this is not our backend, or it is failing",
        ),
    ],
)
def test_a_backend_that_does_not_answer_well_is_reported(health: Health, sentence: str) -> None:
    assert unwell(health=health)[0].sentence == sentence


def test_without_label_studio_nothing_else_is_reported() -> None:
    (only,) = unwell(unreachable="GET /api/version/: no answer")
    assert only == Finding(
        "server",
        "wrong",
        "GET /api/version/: no answer",
        "Do what it says, or name another with --url",
    )
    (only,) = unwell(refused="GET /api/current-user/whoami: 401")
    assert only.sentence == (
        "The personal access token is not accepted: labels cannot be read and no order can "
        "be written"
    )


def test_without_a_project_only_the_server_is_checked() -> None:
    found = findings(replace(HEALTHY, project={}, backends=(), webhooks=(), tabs=()))
    assert [each.name for each in found][-1] == "backend"
    assert {each.verdict for each in found} == {"ok"}


def test_where_an_empty_answer_counts_it_must_be_possible() -> None:
    """With required="true" nobody could say that none of several labels applies."""
    optional = CONFIG.replace(' required="true"', "")
    several = optional.replace("<Choices ", '<Choices choice="multiple" ')
    assert [each.name for each in unwell(**in_project(label_config=several))] == ["required"]
    assert unwell(**in_project(label_config=several), empty_is_none=True) == []
    one = unwell(**in_project(label_config=optional), empty_is_none=True)
    assert [each.name for each in one] == ["required"]


def test_a_webhook_without_https_is_another_address() -> None:
    """A proxy redirects it to https, and the redirect loses it."""
    url = URL.replace("http:", "https:")
    changes = {"backend_url": url, "backends": ({**BACKEND, "url": url},)}
    assert "webhook" in [each.name for each in unwell(**changes)]


def test_webhooks_of_other_people_are_left_alone() -> None:
    theirs = {**LEFT, "headers": {}, "send_for_all_actions": True}
    assert left_webhooks(replace(HEALTHY, webhooks=(theirs, LEFT))) == [LEFT]


def test_a_webhook_that_label_studio_refuses_cannot_be_fixed() -> None:
    found = unwell(webhooks=(), webhook_refusal=LOCAL)
    (webhook,) = (each for each in found if each.name == "webhook")
    assert (webhook.repair, webhook.fix) == (None, "First fix what is wrong above")


def test_one_that_sends_every_event_needs_no_list() -> None:
    """Label Studio's own webhooks do that; all they lack is the password."""
    assert unwell(webhooks=({**WEBHOOK, "actions": [], "send_for_all_actions": True},)) == []


def test_choices_that_are_not_pre_annotated_need_not_be_required() -> None:
    config = CONFIG.replace(' required="true"', "")
    assert unwell(**in_project(label_config=config, show_collab_predictions=False)) == []


@pytest.mark.parametrize("tag", ["Taxonomy", "Choices"])
def test_every_control_must_be_required(tag: str) -> None:
    config = CONFIG.replace(' required="true"', "").replace("Choices", tag)
    (found,) = unwell(**in_project(label_config=config))
    assert f'add required="true" to <{tag}> in' in found.fix


def test_spans_need_not_be_required() -> None:
    spans = (
        '<View><Labels name="e" toName="t"><Label value="x"/></Labels>'
        '<Text name="t" value="$t"/></View>'
    )
    seen = replace(HEALTHY, project={**PROJECT, "label_config": spans})
    (found,) = (each for each in findings(seen) if each.name == "required")
    assert found.verdict == "ok"
    assert found.sentence == "An empty annotation can be saved only where it counts as an answer"


def test_only_what_must_be_is_made_required_and_the_rest_stays_as_people_wrote_it() -> None:
    before = """<View >
  <!-- <Choices name="topic" toName="t"> was here -->
  <Style>.a > b { color: red } <![CDATA[<Choices name="topic">]]></Style>
  <Text name="t" value="$t"/>
  <Choices toName='t' hint='a > b, required="no"'
           name='topic'
  >
    <Choice value="x &amp; y"/><Choice value="z"/>
  </Choices>
  <Rating name="a&amp;b" toName="t" required = 'false' />
  <Choices name="kept" toName="t" required="True"><Choice value="a"/><Choice value="b"/></Choices>
  <TextArea name="free" toName="t"/>
  <Choices name="part" toName="t" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>
</View>
"""
    after = before.replace("name='topic'\n", "name='topic' required=\"true\"\n").replace(
        "required = 'false'", 'required = "true"'
    )
    assert optional_controls(before, False) == {"topic": "Choices", "a&b": "Rating"}
    assert with_required(before, {"topic", "a&b"}) == after
    assert optional_controls(after, False) == {}


def test_for_a_large_interface_changed_settings_are_not_reported() -> None:
    """Label Studio describes the whole project in that event, at each of our switches."""
    choices = "".join(f'<Choice value="choice {number}"/>' for number in range(4000))
    large = CONFIG.replace("</Choices>", f"{choices}</Choices>")
    webhook = {**WEBHOOK, "actions": [event for event in EVENTS if event != "PROJECT_UPDATED"]}
    assert unwell(**in_project(label_config=large), webhooks=(webhook,)) == []
    (found,) = unwell(webhooks=(webhook,))
    assert "without PROJECT_UPDATED" in found.sentence
