"""A headless Chromium on the pages of Label Studio and of the backend: what a person does there."""

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from backend.dev import local

MISSING = "Chromium is missing: apt-get install chromium chromium-driver"

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
DESKTOP, PHONE = (1280, 800), (390, 844)
"""Width and height in CSS pixels."""

# Root has no sandbox, containers have little shared memory, and phones have no scroll bars.
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars")

# Spinners never end; everything else that moves or fades does.
IS_AT_REST = """
const ends = (animation) => isFinite(animation.effect.getComputedTiming().endTime);
return !document.querySelector("[data-waiting=true]") && !document.getAnimations().some(ends);
"""

PATIENCE = 60.0
NOT_YET = (
    NoSuchElementException,
    StaleElementReferenceException,
    ElementNotInteractableException,
    ElementClickInterceptedException,
)
"""What a page that is still being built answers."""

Seen = TypeVar("Seen")


def is_installed() -> bool:
    return all(shutil.which(program) for program in ("chromium", "chromedriver"))


@contextmanager
def chromium(studio_url: str) -> Iterator["Browser"]:
    """A browser with a new profile, at desktop size."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ARGUMENTS:
        options.add_argument(argument)
    driver = Chrome(options, Service(str(shutil.which("chromedriver"))))
    try:
        browser = Browser(driver, studio_url)
        browser.resize(DESKTOP)
        yield browser
    finally:
        driver.quit()


@dataclass
class Browser:
    """One person at a browser. Each action waits until the page lets it be done."""

    driver: Chrome
    studio_url: str

    def log_in(self) -> None:
        self.driver.get(f"{self.studio_url}/user/login/")
        self.type_into("email", local.EMAIL)
        self.type_into("password", local.PASSWORD)
        self.press(Keys.ENTER)
        self.wait("the first page", lambda: "/login" not in self.driver.current_url)

    def open_model_settings(self, project: int) -> None:
        self.driver.get(f"{self.studio_url}/projects/{project}/settings/ml")

    def connect_model(self, name: str, url: str, user: str = "", password: str = "") -> None:
        """Fill in the form of Settings > Model and send it."""
        self.click("//button[contains(., 'Connect Model')]")
        self.type_into("title", name)
        self.type_into("url", url)
        if user:
            self.click("//button[@data-name='auth_method']")
            self.click("//*[@role='option' and @data-value='BASIC_AUTH']")
            self.type_into("basic_auth_user", user)
            self.type_into("basic_auth_pass", password)
        self.keep("connect-model")
        self.click("//button[contains(., 'Validate and Save')]")
        self.wait_for_text("Connected")

    def start_training(self) -> None:
        self.click("//button[@aria-label='Machine learning model options']")
        self.find("//li[contains(., 'Start Training')]")
        self.keep("start-training")
        self.click("//li[contains(., 'Start Training')]")
        self.click("//button[contains(., 'Start Training')]")
        self.wait_for_text("Request Sent!")
        self.keep("training-started")

    def open_data_manager(self, project: int) -> None:
        self.driver.get(f"{self.studio_url}/projects/{project}/data")
        self.find("//button[contains(., 'Label All Tasks')]")

    def tabs(self) -> list[str]:
        return self.attributes("//*[@role='tab' and @title]", "title")

    def rows(self) -> list[int]:
        """The tasks of the Data Manager's first rows, from top to bottom."""
        names = self.attributes("//input[starts-with(@aria-label, 'Select Task ')]", "aria-label")
        return [int(name.split()[-1]) for name in names]

    def open_tab(self, project: int, tab: int) -> None:
        self.driver.get(f"{self.studio_url}/projects/{project}/data?tab={tab}")
        self.find("//button[contains(., 'Label All Tasks')]")

    def accept_all(self, version: str, picture: str) -> None:
        """Make annotations of these predictions of all tasks that the tab shows."""
        self.click("//input[@aria-label='Select all rows']")
        self.click("//button[@aria-label='Tasks Actions']")
        self.click("//*[@aria-label='Create Annotations From Predictions']")
        self.click("//button[@data-name='model_version']")
        self.click(f"//*[@role='option' and @data-value='{version}']")
        self.keep(picture)
        self.click("//button[normalize-space(.)='OK']")

    def label_all_tasks(self) -> None:
        self.click("//button[contains(., 'Label All Tasks')]")
        self.find("//button[@name='submit']")

    def task_shown(self) -> int:
        return int(self.read("//*[contains(@class, 'current-task__task-id')]").split()[0])

    def ticked(self) -> list[str]:
        """The choices that are ticked at the moment."""
        return self.attributes("//*[contains(@class, 'lsf-choices')]//input", "name", "checked")

    def press(self, *keys: str) -> None:
        """Press keys together, wherever the page listens."""
        chain = ActionChains(self.driver)
        for key in keys:
            chain = chain.key_down(key)
        for key in reversed(keys):
            chain = chain.key_up(key)
        chain.perform()

    def submit(self) -> None:
        """Press the hotkey and wait for the next task."""
        before = self.task_shown()
        self.press(Keys.CONTROL, Keys.ENTER)
        self.wait(f"the task after {before}", lambda: self.task_shown() != before)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def drawn_points(self) -> int:
        """How many points the learning curve has."""
        curve = "//*[name()='svg' and @aria-label='Learning curve']"
        xpath = f"{curve}//*[name()='polyline' and @class='curve']"
        return len(self.attributes(xpath, "points")[0].split())

    def tasks_found(self) -> list[int]:
        """The tasks that the page with the map lists."""
        names = self.driver.find_elements(By.XPATH, "//section[@id='found']//li/p[1]/a")
        return [int(str(one.get_attribute("textContent")).split()[-1]) for one in names]

    def drag_over(self, xpath: str, left: float, right: float) -> None:
        """Draw a rectangle around a part of an element's width, and most of its height, with the
        mouse; `left` and `right`: its sides, as shares of the width."""
        element = self.driver.find_element(By.XPATH, xpath)
        width, height = element.size["width"] - 8, 0.96 * element.size["height"]
        low, high = (width * (share - 0.5) + 1 for share in (left, right))
        chain = ActionChains(self.driver, duration=50)
        chain = chain.move_to_element_with_offset(element, low, -height / 2).click_and_hold()
        for x, y in ((high, -height / 2), (high, height / 2), (low, height / 2)):
            chain = chain.move_to_element_with_offset(element, x, y)
        chain.release().perform()

    def enter(self, url: str, user: str, password: str) -> None:
        """Type name and password into the window that the browser shows at the address."""
        parts = urlsplit(url)
        self.driver.get(parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl())
        self.driver.get(url)

    def resize(self, size: tuple[int, int]) -> None:
        """The page's size, exactly: windows cannot be as narrow as a phone."""
        # Not "mobile": a phone's browser makes its window wider when the page is too wide.
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
        )

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        script = "return document.documentElement.scrollWidth - window.innerWidth"
        return int(self.driver.execute_script(script))

    def keep(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot of what the window shows, or of the whole page, once it is at rest."""
        self.wait("the page at rest", lambda: self.driver.execute_script(IS_AT_REST))
        options = {"captureBeyondViewport": whole}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot))

    def type_into(self, field: str, text: str) -> None:
        """Type until it stands there: a form that is still being built forgets what was typed."""

        def stands_there() -> bool:
            found = self.driver.find_element(By.NAME, field)
            if found.get_attribute("value") == text:
                return True
            found.clear()
            found.send_keys(text)
            return False

        self.wait(f"the field {field}", stands_there)

    def click(self, xpath: str) -> None:
        def clicked() -> bool:
            self.driver.find_element(By.XPATH, xpath).click()
            return True

        self.wait(xpath, clicked)

    def find(self, xpath: str) -> None:
        self.wait(xpath, lambda: self.driver.find_element(By.XPATH, xpath).is_displayed())

    def read(self, xpath: str) -> str:
        """What stands in an element, once something does."""
        return self.wait(xpath, lambda: self.driver.find_element(By.XPATH, xpath).text)

    def attributes(self, xpath: str, name: str, condition: str = "") -> list[str]:
        """The attribute of all elements there, of those where `condition` is true if given."""
        found = self.driver.find_elements(By.XPATH, xpath)
        kept = [one for one in found if not condition or one.get_attribute(condition)]
        return [str(one.get_attribute(name)) for one in kept]

    def wait_for_text(self, text: str) -> None:
        self.find(f"//*[contains(text(), '{text}')]")

    def wait(self, what: str, look: Callable[[], Seen]) -> Seen:
        """Look until there is something to see."""
        waiting = WebDriverWait(self.driver, PATIENCE, 0.2, NOT_YET)
        return waiting.until(lambda _: look(), f"waited in vain for {what}")
