"""What people see of boxes: drawn in advance, drawn with the mouse, and on several pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from backend.dev import local
from backend.types import Json
from tests.backend.web import Web
from tests.browser.browser import MISSING, Browser, chromium, is_installed
from tests.studio.bench import Bench, partly_labelled, until
from tests.studio.drawn import LABELS, drawn, shown

# The pages are the same whatever Label Studio keeps its data in.
pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.skipif(not is_installed(), reason=MISSING),
]

NAMES = "".join(f'<Label value="{label}"/>' for label in LABELS)
PAGES = (
    f'<View><RectangleLabels name="shape" toName="image">{NAMES}</RectangleLabels>'
    '<Image name="image" valueList="$pages"/></View>'
)
READING = (
    f'<View><Image name="image" value="$image"/><Labels name="shape" toName="image">{NAMES}'
    '</Labels><Rectangle name="bbox" toName="image" strokeWidth="3"/>'
    '<Polygon name="poly" toName="image" strokeWidth="3"/></View>'
)


@pytest.fixture(scope="module")
def files() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture(scope="module")
def backend_settings(shape_detector: Path, files: Web) -> dict[str, object]:
    return {
        "detector": str(shape_detector),
        "media_hosts": files.host,
        "shortlist": 100,
        "audit_share": 0.0,
    }


@pytest.fixture(scope="module")
def browser(label_studio: local.LocalProcess) -> Iterator[Browser]:
    with chromium(label_studio.url) as opened:
        opened.log_in()
        yield opened


def test_boxes_on_pages_are_shown_and_drawn(bench: Bench, browser: Browser, files: Web) -> None:
    """Each on its page; what the page saves is read again."""
    truth = shown(files, 45)
    addresses = list(truth)
    tasks = [{"pages": addresses[start : start + 3]} for start in range(0, 45, 3)]

    def answer(task: Json) -> list[Json]:
        pages = enumerate(task["pages"])
        return [one for page, address in pages for one in drawn(truth[address], page)]

    project = bench.connected(partly_labelled(tasks, 9, answer), PAGES)
    stored, expected = confirmed(bench, browser, project)
    for one in stored[:-1]:
        assert one["origin"] == "prediction"
    places = [(one["item_index"], one["value"]) for one in stored]
    assert places[:-1] == [(one["item_index"], one["value"]) for one in expected]
    assert (stored[-1]["origin"], stored[-1]["item_index"]) == ("manual", 0)
    assert stored[-1]["value"]["rectanglelabels"] == ["Square"]
    assert bench.state(project)["not_learnt"] == []


def test_boxes_of_rectangles_are_shown_and_drawn(
    bench: Bench, browser: Browser, files: Web
) -> None:
    """As two entries with the same id, for what the model draws and for what people draw."""
    truth = shown(files, 45, 200)

    def answer(task: Json) -> list[Json]:
        found = []
        for number, one in enumerate(drawn(truth[task["image"]])):
            value = {**one["value"]}
            labels = value.pop("rectanglelabels")
            both = {**one, "id": str(number)}
            found.append({**both, "from_name": "bbox", "type": "rectangle", "value": value})
            found.append({**both, "type": "labels", "value": {**value, "labels": labels}})
        return found

    tasks = [{"image": address} for address in truth]
    project = bench.connected(partly_labelled(tasks, 30, answer), READING)
    stored, expected = confirmed(bench, browser, project)
    assert len(expected) % 2 == 0
    kinds = [(one["from_name"], one["type"], one["value"]) for one in stored]
    assert kinds[:-2] == [(one["from_name"], one["type"], one["value"]) for one in expected]
    assert [kind for _, kind, _ in kinds[-2:]] == ["rectangle", "labels"]
    assert len({one["id"] for one in stored}) == len(stored) // 2
    assert bench.state(project)["not_learnt"] == []


def confirmed(bench: Bench, browser: Browser, project: int) -> tuple[list[Json], list[Json]]:
    """Draw one more box into the open task for which the model has drawn most, and submit: what
    Label Studio has stored, and what the model had drawn. The page shows all of it."""
    version = bench.followed(project).name
    every = bench.studio.of(project).predictions()
    mine = [one for one in every if one["model_version"] == version]
    chosen = max(mine, key=lambda one: len(one["result"]))
    assert chosen["result"]
    task, count = chosen["task"], len({one.get("id", str(one)) for one in chosen["result"]})
    browser.open(f"{browser.studio_url}/projects/{project}/data?task={task}")
    regions = "//*[contains(@class, 'lsf-outliner-item__title')]"
    browser.wait("the boxes", lambda: len(browser.attributes(regions, "class")) == count)
    browser.keep(f"boxes-{project}")
    browser.press("2")
    canvases = browser.driver.find_elements(By.TAG_NAME, "canvas")
    canvas = max(canvases, key=lambda one: one.size["width"] * one.size["height"])
    left, top = -canvas.size["width"] // 2 + 4, -canvas.size["height"] // 2 + 4
    chain = ActionChains(browser.driver, duration=100)
    chain = chain.move_to_element_with_offset(canvas, left, top)
    chain.click_and_hold().move_by_offset(9, 9).move_by_offset(9, 9).release().perform()
    browser.wait("one more", lambda: len(browser.attributes(regions, "class")) == count + 1)
    browser.keep(f"boxes-{project}-drawn")
    browser.press(Keys.CONTROL, Keys.ENTER)
    path = f"/api/tasks/{task}/"
    stored = until("the annotation", lambda: bench.studio.session.json("GET", path)["annotations"])
    bench.until_learnt(project, task)
    return stored[0]["result"], chosen["result"]
