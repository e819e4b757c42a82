"""What people see: a real browser, a real Label Studio and the backend."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from backend.dev import local
from backend.dev.demo import articles
from backend.project.versions import SETTLED_BY
from backend.queue.tabs import CHOSEN_TITLE, SURE_TITLE, ensure_sure_tab, sure_version
from backend.studio.api import Studio
from backend.types import Json
from model.choosing.audit import draw, in_reserve
from tests.browser.browser import DESKTOP, MISSING, PHONE, Browser, chromium, is_installed
from tests.studio.bench import TOPICS, Bench, choices, partly_labelled, stories, until
from tests.studio.test_lists import ORDER, WHICH, lists_of_stories, ordered
from tests.studio.test_lists import sporty as sporty_one

USER, PASSWORD = "studio", "s3cret"
SERIOUS = ("business", "politics", "tech")

# The pages are the same whatever Label Studio keeps its data in.
pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.skipif(not is_installed(), reason=MISSING),
]


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    password = {"basic_auth_user": USER, "basic_auth_pass": PASSWORD}
    return {**password, "audit_share": 0.25}


@pytest.fixture(scope="module")
def browser(label_studio: local.LocalProcess) -> Iterator[Browser]:
    with chromium(label_studio.url) as opened:
        opened.log_in()
        yield opened


@dataclass(frozen=True)
class News:
    """A project of news; only the test knows the tasks' topics. `open`: tasks without a label."""

    project: int
    topics: dict[int, str]
    open: int


def test_connect_by_hand_and_label_ten_tasks_with_the_keyboard(
    bench: Bench, browser: Browser
) -> None:
    """Every task shown is the model's next choice and carries its pre-annotation, if the model is
    sure enough for so few labels. Before the first, the status page says what it knows."""
    news = begin(bench)
    browser.open_model_settings(news.project)
    browser.connect_model("Active learning", bench.server.url, USER, PASSWORD)
    browser.keep("connected")
    wait_for_order(bench, news)
    first_order = [int(row["task"]) for row in order(bench.studio, news.project)]
    browser.enter(f"{bench.server.url}/status/{news.project}", USER, PASSWORD)
    browser.wait_for_text("the model knows only the names of the labels")
    browser.wait_for_text("a probability of at least 80 % are pre-annotated")
    look_at_both_sizes(browser, "status-before-labels")

    browser.open_data_manager(news.project)
    browser.wait("the model's order", lambda: browser.rows()[:5] == first_order[:5])
    assert browser.tabs()[0] == "Label next"
    browser.keep("data-manager")

    browser.label_all_tasks()
    assert browser.task_shown() == bench.studio.of(news.project).lowest_scored()
    shown: list[int] = []
    prefilled = 0
    for number in range(1, 11):
        shown.append(browser.task_shown())
        prefilled += bool(browser.ticked())
        tick(browser, news.topics[shown[-1]])
        if number == 10:
            browser.keep("task-10")
        submit_and_see_the_next(bench, browser, news, shown)
    assert prefilled >= 2, "the names of the topics suffice for some of the first tasks"
    assert answers(bench, news, shown) == [news.topics[task] for task in shown]


def test_the_order_follows_the_labels(bench: Bench, browser: Browser) -> None:
    """Beyond the first labels, half of which are drawn at random whatever the others say."""
    news = begin(bench, labelled=60)
    bench.connect(news.project)
    wait_for_order(bench, news)
    first_order = [int(row["task"]) for row in order(bench.studio, news.project)]
    browser.open_data_manager(news.project)
    browser.label_all_tasks()
    browser.keep("pre-annotated")
    shown: list[int] = []
    for _ in range(8):
        shown.append(browser.task_shown())
        assert browser.ticked(), "the model has something to say of each task"
        tick(browser, news.topics[shown[-1]])
        submit_and_see_the_next(bench, browser, news, shown)
    assert shown[0] == first_order[0]
    assert shown != first_order[:8]


def test_the_status_page(bench: Bench, browser: Browser) -> None:
    news = begin(bench)
    label_by_lot(bench, news, audits=4, others=15)
    bench.connect(news.project)
    label_by_api(bench, replace(news, open=news.open - 19), 6)
    browser.enter(f"{bench.server.url}/status", USER, PASSWORD)
    browser.wait_for_text("BBC News")
    look_at_both_sizes(browser, "status-all-projects")
    browser.open(f"{bench.server.url}/status/{news.project}")
    page = browser.read("//main")
    assert f"Version {bench.served(news.project)} is served" in page
    assert "25\nlabels" in page and "6\nof them audit" in page
    assert browser.drawn_points() == 6, (
        "one for each label from the fifth audit label, the 20th, on"
    )
    browser.click("//summary[contains(., 'The same in numbers')]")
    browser.driver.execute_async_script("refresh().then(arguments[0])")
    browser.find("//details[@open]//th[contains(., 'Promised')]")
    look_at_both_sizes(browser, "status")


def test_what_the_model_is_sure_of_is_accepted_at_once(bench: Bench, browser: Browser) -> None:
    """Somebody opens the tab, looks at its filters, selects all, and makes annotations of the
    predictions: they are labels of this person, and the model learns from them."""
    news = begin(bench, labelled=20)
    bench.connect(news.project)
    wait_for_order(bench, news)
    studio, name = bench.studio.of(news.project), sure_version("3.1")
    sure = list(news.topics)[40:52]
    rows = [{"task": task, "result": choices([news.topics[task]])} for task in sure]
    studio.import_predictions([{**row, "score": 0.98, "model_version": name} for row in rows])
    ensure_sure_tab(studio, "3.1")
    (tab,) = (tab for tab in studio.tabs() if tab["data"].get("title") == SURE_TITLE)

    browser.open_tab(news.project, tab["id"])
    browser.wait("the tasks", lambda: browser.rows() == sure)
    browser.click("//button[contains(., 'Filters')]")
    browser.keep("model-is-sure")
    browser.press(Keys.ESCAPE)
    browser.accept_all(name, "model-is-sure-accept")
    # Not the rows: the page shows none for a moment while it loads them again.
    until("the annotations", lambda: saved(bench, news).keys() >= set(sure))
    assert answers(bench, news, sure) == [news.topics[task] for task in sure]
    browser.wait("an empty tab", lambda: browser.rows() == [])
    until("the labels", lambda: bench.labels_known(news.project) >= set(sure))


def test_what_a_search_finds_is_labelled_next(bench: Bench, browser: Browser) -> None:
    """Somebody looks at the map, searches it, and has the open tasks that were found asked for
    before all others."""
    news = begin(bench, labelled=20)
    bench.connect(news.project)
    wait_for_order(bench, news)
    browser.enter(f"{bench.server.url}/status/{news.project}", USER, PASSWORD)
    browser.click("//a[contains(., 'a map and a search')]")
    browser.wait("a map", lambda: browser.read("//*[@id='about']") == "100 tasks.")
    look_at_both_sizes(browser, "map")
    browser.type_into("words", "a football club and its players")
    browser.press(Keys.ENTER)
    browser.wait_for_text("Tasks nearest to")
    found = browser.tasks_found()
    assert len(found) == 50
    assert [news.topics[task] for task in found[:8]].count("sports") >= 7
    look_at_both_sizes(browser, "map-search")
    browser.click("//button[@id='pick']")
    browser.wait_for_text("tasks are asked for next")
    browser.keep("map-picked")

    unlabelled = list(news.topics)[20:]
    expected = [task for task in found if task in unlabelled and not _is_audit(task)]
    until("them first", lambda: _first(bench, news, len(expected)) == expected)
    browser.open_data_manager(news.project)
    browser.label_all_tasks()
    assert browser.task_shown() == expected[0]
    browser.open(f"{bench.server.url}/status/{news.project}")
    browser.wait_for_text("somebody asked for it")
    look_at_both_sizes(browser, "status-picked")


def test_what_a_lasso_holds_is_shown_in_the_data_manager(bench: Bench, browser: Browser) -> None:
    news = begin(bench, labelled=20)
    bench.connect(news.project)
    wait_for_order(bench, news)
    browser.enter(f"{bench.server.url}/status/{news.project}/map", USER, PASSWORD)
    browser.wait("a map", lambda: browser.read("//*[@id='about']") == "100 tasks.")
    browser.click("//button[@id='lasso']")
    browser.drag_over("//canvas[@id='over']", 0.0, 0.5)
    browser.wait_for_text("inside the lasso")
    browser.keep("map-lasso")
    count = int(browser.read("//section[@id='found']/h2").split()[0])
    assert 5 <= count <= 95, "a part of the map"
    listed = browser.tasks_found()
    assert len(listed) == min(count, 50)
    browser.click("//button[@id='tab']")
    browser.wait_for_text(f"The Data Manager shows {count} tasks")
    studio = bench.studio.of(news.project)
    (tab,) = (tab for tab in studio.tabs() if tab["data"].get("title") == CHOSEN_TITLE)
    asked = {"project": news.project, "view": tab["id"], "page": 1, "page_size": 100}
    rows = studio.session.json("GET", "/api/tasks/", params=asked)["tasks"]
    shown = sorted(row["id"] for row in rows)
    assert len(shown) == count and set(shown) >= set(listed)
    browser.open_tab(news.project, tab["id"])
    browser.wait("the tasks", lambda: browser.rows()[:5] == shown[:5])
    browser.click("//button[contains(., 'Filters')]")
    browser.press(Keys.ESCAPE)
    browser.keep("map-lasso-tab")
    assert browser.rows()[:5] == shown[:5], "whatever the page makes of so many filters"


def _is_audit(task: int) -> bool:
    return bool(in_reserve(np.array([task]), 0.25, 0)[0])


def _first(bench: Bench, news: News, count: int) -> list[int]:
    return [int(row["task"]) for row in order(bench.studio, news.project)[:count]]


@pytest.fixture
def quick(
    label_studio: local.LocalProcess, studio: Studio, one_layer: Path, tmp_path: Path
) -> Iterator[Bench]:
    """A second backend, whose encoder is tuned in seconds, and which asks for no password."""
    read: dict[str, object] = {"encoder": str(one_layer), "max_tokens": 32, "max_windows": 1}
    settings = {**read, "deep_rounds": "no"}
    server = local.backend(tmp_path, local.free_port(), label_studio.url, **settings)
    with server:
        server.wait_until_up()
        made = Bench(studio, server, tmp_path / "models", settings)
        yield made
        made.delete_projects()


def test_start_training(quick: Bench, browser: Browser) -> None:
    """What comes of it is seen on the status page and in the Data Manager."""
    bench, news = quick, begin(quick, labelled=30)
    bench.connect(news.project)
    wait_for_order(bench, news)
    browser.open_model_settings(news.project)
    browser.start_training()
    asked = f"project {news.project}: tune (encoder 1) is queued"
    until("the deep round", lambda: asked in bench.server.log.read_text())
    browser.open(f"{bench.server.url}/status/{news.project}")
    browser.wait_for_text("Fine-tuning")
    browser.keep("status-training")
    until("the deep round's version", lambda: bench.served(news.project).startswith("1."), 600)
    browser.wait_for_text("Version 1.")
    browser.wait_for_text("New tasks or second opinions")
    until("the tab", lambda: len(bench.studio.of(news.project).tabs()) == 2)
    browser.open_data_manager(news.project)
    assert browser.tabs() == ["Label next", "Review labels"]


def test_a_page_left_open_while_versions_are_switched_still_submits(
    bench: Bench, browser: Browser
) -> None:
    """With enough labels for each task to carry a pre-annotation."""
    news = begin(bench, labelled=SETTLED_BY)
    bench.connect(news.project)
    labelled = label_by_api(bench, news, 3)
    browser.open_data_manager(news.project)
    browser.label_all_tasks()
    opened, before = browser.task_shown(), bench.served(news.project)
    assert browser.ticked(), "the page shows a prediction of that version"
    open_tasks = [int(row["task"]) for row in order(bench.studio, news.project)]
    others = [task for task in open_tasks if task not in (*labelled, opened)][:5]
    for task in others:
        bench.submit({"id": task}, [news.topics[task]])
        until_in_order(bench, news, task)
    assert bench.served(news.project) != before
    browser.keep("left-open")
    tick(browser, news.topics[opened])
    submit_and_see_the_next(bench, browser, news, [*labelled, *others, opened])
    browser.keep("left-open-submitted")
    assert answers(bench, news, [opened]) == [news.topics[opened]]


FOLLOWING = (
    '<View><Text name="text" value="$story"/>'
    '<Choices name="topic" toName="text" allowNested="true" required="true">'
    '<Choice value="serious">'
    + "".join(f'<Choice value="{one}"/>' for one in SERIOUS)
    + "</Choice>"
    '<Choice value="light"/></Choices>'
    '<Choices name="who" toName="text" visibleWhen="choice-selected" whenTagName="topic" '
    'whenChoiceValue="tech,business"><Choice value="firm"/><Choice value="people"/></Choices>'
    "</View>"
)


def serious_or_light(task: Json) -> list[Json]:
    path = ["serious", task["topic"]] if task["topic"] in SERIOUS else ["light"]
    given: Json = {"topic": [path]}
    if task["topic"] in ("tech", "business"):
        given["who"] = ["firm" if len(task["story"]) % 2 else "people"]
    return [
        {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": value}}
        for name, value in given.items()
    ]


def test_nested_choices_and_what_follows_from_them_are_ticked(
    bench: Bench, browser: Browser
) -> None:
    """The page shows our pre-annotation, and saves what it shows."""
    tasks = partly_labelled(stories(80), SETTLED_BY + 20, serious_or_light)
    project = bench.connected(tasks, FOLLOWING)
    rows = order(bench.studio, project)
    for regions in (1, 2):
        row = next(row for row in rows if len(row["result"]) == regions)
        given = [region["value"]["choices"][0] for region in row["result"]]
        names = [one if isinstance(one, str) else one[-1] for one in given]
        browser.open(f"{bench.studio.url}/projects/{project}/data?task={row['task']}")
        browser.wait(f"ticks at {names}", partial(_are_ticked, browser, names))
        browser.keep(f"ticked-{regions}")
        browser.press(Keys.CONTROL, Keys.ENTER)
        assert until("the annotation", partial(_saved, bench, project, row["task"])) == given


def _are_ticked(browser: Browser, names: list[str]) -> bool:
    return browser.ticked() == names


def _saved(bench: Bench, project: int, number: int) -> list[object]:
    """What stands in the task's annotations."""
    return [
        region["value"]["choices"][0]
        for task in bench.studio.of(project).tasks()
        for annotation in task["annotations"]
        for region in annotation["result"]
        if task["id"] == number
    ]


PREFERRED = (
    '<View><Header value="Which is about sports?"/>'
    '<Pairwise name="pw" toName="one,two" selectionStyle="outline: 3px solid green"/>'
    '<Text name="one" value="$one"/><Text name="two" value="$two"/></View>'
)
CHOSEN = "//*[contains(@style, 'outline')]"
RICH = "contains(@class, 'htx-richtext')"
OTHER = f"//*[{RICH} and not(ancestor-or-self::*[contains(@style, 'outline')])]"


def sporty(task: Json) -> list[Json]:
    value = {"selected": task["sports"]}
    return [{"from_name": "pw", "to_name": "pw", "type": "pairwise", "value": value}]


def test_the_better_one_of_two_is_marked_and_can_be_changed(bench: Bench, browser: Browser) -> None:
    """Confirmed, it is saved as it was written; a click on the other side is another answer. Both
    are learnt."""
    told = stories(500)
    by_topic = [
        [one["story"] for one in told if (one["topic"] == "sports") is it] for it in (True, False)
    ]
    tasks = [
        {"one": a, "two": b, "sports": "left"}
        if number % 2
        else {"one": b, "two": a, "sports": "right"}
        for number, (a, b) in enumerate(zip(*by_topic, strict=False))
    ][:70]
    project = bench.connected(partly_labelled(tasks, 60, sporty), PREFERRED)
    known = {row["id"]: row["data"] for row in bench.studio.of(project).tasks()}
    browser.open_data_manager(project)
    browser.label_all_tasks()
    first = browser.task_shown()
    sides = {"left": known[first]["one"], "right": known[first]["two"]}
    assert browser.read(CHOSEN).strip() == sides[known[first]["sports"]].strip()
    browser.keep("pairwise")
    browser.submit()
    second = browser.task_shown()
    before = browser.read(CHOSEN)
    browser.click(OTHER)
    browser.wait("the other one", lambda: browser.read(CHOSEN) != before)
    browser.keep("pairwise-changed")
    browser.submit()
    until("both labels", lambda: bench.labels_known(project) >= {first, second})
    given = {task: _selected(bench, project, task) for task in (first, second)}
    assert given == {first: sporty(known[first])[0]["value"], second: _swapped(known[second])}


def _selected(bench: Bench, project: int, task: int) -> Json:
    """What the page saved."""
    (row,) = bench.studio.of(project).these([task])
    value: Json = row["annotations"][-1]["result"][0]["value"]
    return value


def _swapped(task: Json) -> Json:
    return {"selected": "left" if task["sports"] == "right" else "right"}


def test_pre_annotations_of_lists_are_shown_and_saved(bench: Bench, browser: Browser) -> None:
    """Submitted as they are, they are saved as they were written."""
    tasks = lists_of_stories(80, 4, name="alias", text="value")
    project = bench.connected(partly_labelled(tasks, 70, sporty_one), WHICH)
    browser.open_data_manager(project)
    browser.label_all_tasks()
    task = browser.task_shown()
    browser.wait("a tick", lambda: len(browser.ticked()) == 1)
    browser.keep("own-choices")
    browser.submit()
    until("the label", lambda: task in bench.labels_known(project))
    assert _selected(bench, project, task) == _predicted(bench, project, task)

    tasks = lists_of_stories(80, 3, name="id", text="body")
    project = bench.connected(partly_labelled(tasks, 70, ordered), ORDER)
    browser.open_data_manager(project)
    browser.label_all_tasks()
    task = browser.task_shown()
    browser.find("//*[contains(@class, 'htx-ranker-item')]")
    browser.keep("ranker")
    browser.submit()
    until("the label", lambda: task in bench.labels_known(project))
    assert _selected(bench, project, task) == _predicted(bench, project, task)


def _predicted(bench: Bench, project: int, task: int) -> Json:
    """What the last version wrote that answers for the task."""
    rows = [one for one in bench.studio.of(project).predictions() if one["task"] == task]
    value: Json = rows[-1]["result"][0]["value"]
    return value


def begin(bench: Bench, labelled: int = 0) -> News:
    """A project with a hundred tasks, the first of them labelled before there was a model."""
    rows = [(f"{text[:500].rsplit(' ', 1)[0]} ...", topic) for text, topic in articles()[:100]]
    tasks: list[Json] = [{"data": {"story": story}} for story, _ in rows]
    for task, (_, topic) in zip(tasks[:labelled], rows, strict=False):
        task["annotations"] = [{"result": choices([topic])}]
    project = bench.project(tasks, title="BBC News")
    truth, imported = dict(rows), bench.studio.of(project).tasks()
    topics = {task["id"]: truth[task["data"]["story"]] for task in imported}
    return News(project, topics, len(tasks) - labelled)


def tick(browser: Browser, topic: str) -> None:
    """With its hotkey; a key of what is ticked already would untick it."""
    if browser.ticked() != [topic]:
        browser.press(str(1 + TOPICS.index(topic)))
        browser.wait(f"a tick at {topic}", lambda: browser.ticked() == [topic])


def submit_and_see_the_next(bench: Bench, browser: Browser, news: News, seen: list[int]) -> None:
    """Submit the task on the screen, the last one of `seen`. The next one is the first of the order
    that held when the page asked: before or after this label was learnt."""
    before = next_up(bench.studio, news.project, seen)
    browser.submit()
    on_screen = browser.task_shown(), browser.ticked()
    assert on_screen in (before, next_up(bench.studio, news.project, seen))
    until_in_order(bench, news, seen[-1])


def next_up(studio: Studio, project: int, seen: list[int]) -> tuple[int, list[str]]:
    """The model's next choice among the tasks not yet seen, and its pre-annotation."""
    first = next(row for row in order(studio, project) if row["task"] not in seen)
    return int(first["task"]), [label for region in first["result"] for label in labels_of(region)]


def order(studio: Studio, project: int) -> list[Json]:
    """Predictions of the version that Label Studio follows, the lowest score first."""
    version = studio.of(project).describe()["model_version"]
    rows = [row for row in studio.of(project).predictions() if row["model_version"] == version]
    return sorted(rows, key=lambda row: float(row["score"]))


def answers(bench: Bench, news: News, tasks: list[int]) -> list[str]:
    """What was saved for these tasks, each of which has one annotation with one label."""
    found = saved(bench, news)
    return [found[task] for task in tasks]


def saved(bench: Bench, news: News) -> dict[int, str]:
    """The label of each task that has one."""
    found: dict[int, str] = {}
    for task in bench.studio.of(news.project).tasks():
        for annotation in task["annotations"]:
            (region,) = annotation["result"]
            (found[task["id"]],) = labels_of(region)
    return found


def labels_of(region: Json) -> list[str]:
    labels: list[str] = region["value"]["choices"]
    return labels


def label_by_lot(bench: Bench, news: News, audits: int, others: int) -> None:
    """Label the tasks that come first and last by their lot: audit tasks, and others."""
    ids = np.array(list(news.topics))
    in_turn = ids[np.argsort(draw(ids, 0))].tolist()
    for task in (*in_turn[:audits], *in_turn[-others:]):
        bench.submit({"id": task}, [news.topics[task]])


def label_by_api(bench: Bench, news: News, count: int) -> list[int]:
    """A colleague labels this many tasks, each the next one in the order."""
    wait_for_order(bench, news)
    labelled = []
    for _ in range(count):
        task = bench.studio.of(news.project).next_task()
        assert task is not None
        bench.submit(task, [news.topics[task["id"]]])
        until_in_order(bench, news, task["id"])
        labelled.append(int(task["id"]))
    return labelled


def wait_for_order(bench: Bench, news: News) -> None:
    until("all tasks in the order", lambda: bench.ranks(news.project) == news.open)
    until("the sampling mode", lambda: bench.is_ordered(news.project))


def until_in_order(bench: Bench, news: News, task: int) -> None:
    """Until Label Studio follows a version that has learnt from the task."""
    bench.until_learnt(news.project, task)

    def is_followed() -> bool:
        followed = bench.studio.of(news.project).describe()["model_version"]
        return bool(followed == bench.served(news.project))

    until("Label Studio to follow", is_followed)


def look_at_both_sizes(browser: Browser, name: str) -> None:
    """On the desktop and on a phone, nothing lies beside the window."""
    for device, size in {"desktop": DESKTOP, "phone": PHONE}.items():
        browser.resize(size)
        browser.keep(f"{name}-{device}", whole=True)
        assert browser.overflow() <= 0
    browser.resize(DESKTOP)
