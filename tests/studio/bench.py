"""What the real-server tests do with Label Studio and a backend: what a person would do."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import requests

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from model.storage.store import Store, Version

Seen = TypeVar("Seen")

TOPICS = ("business", "entertainment", "politics", "sports", "tech")
SINGLE = (
    '<View><Header value="Which topic?"/><View style="padding: 1em">'
    '<Text name="text" value="$story"/></View>'
    '<Choices name="topic" toName="text" choice="single" required="true" showInline="true">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + "</Choices></View>"
)


def until(what: str, look: Callable[[], Seen | None], seconds: float = 120.0) -> Seen:
    """Look until there is something to see; fail with `what` was waited for.

    Each look at a project costs Label Studio 30 ms of a processor that it may be waited for with,
    so the pauses grow.
    """
    end, pause = time.monotonic() + seconds, 0.05
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(pause)
        pause = min(1.25 * pause, 0.3)


def stories(count: int) -> list[Json]:
    """Real news stories, cut short so that encoding them takes no time."""
    return [{"story": text[:200], "topic": topic} for text, topic in articles()[:count]]


def choices(labels: list[str]) -> list[Json]:
    """What is saved when these choices are ticked."""
    value: Json = {"choices": labels}
    region = {"from_name": "topic", "to_name": "text", "type": "choices", "value": value}
    return [region] if labels else []


def topic_of(story: Json) -> list[Json]:
    return choices([story["topic"]])


def partly_labelled(
    tasks: list[Json], count: int, answer: Callable[[Json], list[Json]] = topic_of
) -> list[Json]:
    """The tasks as an import file has them, the first `count` with an annotation: for labels that
    must be there, but need not be watched as they arrive one by one."""
    return [
        {"data": task, "annotations": [{"result": answer(task)}] if number < count else []}
        for number, task in enumerate(tasks)
    ]


@dataclass
class Bench:
    """A real Label Studio with a real backend process."""

    studio: Studio
    server: local.LocalProcess
    models: Path
    settings: dict[str, object]
    projects: list[int] = field(default_factory=list)
    """Those that were made since the last clean-up."""

    def project(self, tasks: list[Json], config: str = SINGLE, **values: object) -> int:
        project = self.empty_project(config, **values)
        self.studio.of(project).import_tasks(tasks)
        return project

    def empty_project(self, config: str = SINGLE, **values: object) -> int:
        """One that is deleted after the test."""
        wanted: Json = {"title": "test", "label_config": config, **values}
        self.projects.append(int(self.studio.create_project(**wanted)["id"]))
        return self.projects[-1]

    def delete_projects(self) -> None:
        for project in self.projects:
            until(f"project {project} deleted", partial(self._is_deleted, project))
        self.projects.clear()

    def _is_deleted(self, project: int) -> bool:
        """Not at once, when the backend puts something of its own into the project meanwhile."""
        path = f"/api/projects/{project}/"
        return self.studio.session.call("DELETE", path, allowed=(404, 500)).status_code != 500

    def connect(self, project: int, url: str = "") -> None:
        """What Settings > Model > Connect Model sends; `url`: where a proxy of the backend is."""
        address = url or self.server.url
        body: Json = {"url": address, "title": "AL", "auth_method": "NONE"}
        user = self.settings.get("basic_auth_user")
        if user:
            body |= {
                "auth_method": "BASIC_AUTH",
                "basic_auth_user": user,
                "basic_auth_pass": self.settings["basic_auth_pass"],
            }
        self.studio.of(project).connect_backend(body)

    def connected(self, tasks: list[Json], config: str = SINGLE, **values: object) -> int:
        """A project whose queue follows the backend, all its tasks encoded."""
        project = self.project(tasks, config, **values)
        self.connect(project)
        count = sum(not task.get("annotations") for task in tasks)
        until("all open tasks in the order", lambda: self.ranks(project) == count, 600)
        until("the order in Label Studio", lambda: self._follows(project))
        return project

    def _follows(self, project: int) -> bool:
        """Whether Label Studio's queue is the served version, in one look."""
        described = self.studio.of(project).describe()
        is_ordered = described["sampling"] == "Uncertainty sampling"
        return bool(is_ordered and described["model_version"] == self.served(project))

    def is_ordered(self, project: int) -> bool:
        return bool(self.studio.of(project).describe()["sampling"] == "Uncertainty sampling")

    def is_switched(self, project: int) -> bool:
        """Whether Label Studio follows the version that the backend serves, which comes first."""
        return bool(self.studio.of(project).describe()["model_version"] == self.served(project))

    def ranks(self, project: int) -> int:
        """How many open tasks the served version looked at."""
        version = self.version(project)
        return 0 if version is None else int(version.facts.ranked)

    def served(self, project: int) -> str:
        """The version that the backend says it serves."""
        url = f"{self.server.url}/versions"
        answer = requests.get(url, params={"project": project}, auth=self._auth(), timeout=10)
        return str(answer.json()["served"])

    def _auth(self) -> tuple[str, str] | None:
        user = self.settings.get("basic_auth_user")
        return (str(user), str(self.settings["basic_auth_pass"])) if user else None

    def state(self, project: int) -> Json:
        """What the backend says of a project."""
        url = f"{self.server.url}/status/{project}.json"
        answer: Json = requests.get(url, auth=self._auth(), timeout=10).json()
        return answer

    def version(self, project: int) -> Version | None:
        name = self.served(project)
        return None if name == "0.0" else Store(self.models / str(project)).load_version(name)

    def followed(self, project: int) -> Version:
        """The version that Label Studio follows, once that is the one that the backend serves."""
        self._until_switched(project)
        version = self.version(project)
        assert version is not None
        return version

    def press(self, project: int, what: str, **form: object) -> requests.Response:
        """What a button of the status page sends."""
        url = f"{self.server.url}/status/{project}/{what}"
        return requests.post(url, data=form, auth=self._auth(), allow_redirects=False, timeout=30)

    def labels_known(self, project: int) -> set[int]:
        """Tasks whose labels the served version learnt from or was measured on."""
        version = self.version(project)
        return set() if version is None else {*version.training, *version.validation}

    def next_in_order(self, project: int) -> tuple[Json, bool]:
        """What an annotator gets, and whether it is the lowest score of a whole version: of the one
        before or the one after, if they are switched meanwhile."""
        lowest = {self.studio.of(project).lowest_scored()}
        task = self.studio.of(project).next_task()
        lowest.add(self.studio.of(project).lowest_scored())
        assert task is not None
        return task, task["id"] in lowest

    def until_tuned(self, project: int) -> Version:
        """The first version on an encoder that was fine-tuned here."""

        def tuned() -> Version | None:
            seen = self.version(project)
            return seen if seen is not None and seen.encoder > 0 else None

        version = until("a deep round", tuned)
        self._until_switched(project)
        return version

    def submit(self, task: Json, labels: list[str], studio: Studio | None = None) -> Json:
        return (studio or self.studio).annotate(task["id"], choices(labels))

    def until_learnt(self, project: int, task: int, seconds: float = 120.0) -> None:
        """Until the order that annotators get is made with the label of this task."""
        until(f"task {task} learnt", lambda: task in self.labels_known(project), seconds)
        self._until_switched(project)

    def _until_switched(self, project: int) -> None:
        # Until then the next task is the old order's, and what a test sees depends on the hour.
        until("the switch", lambda: self.is_switched(project))

    def until_forgotten(self, project: int, task: int) -> None:
        until(f"task {task} forgotten", lambda: task not in self.labels_known(project))

    def requests_seen(self, *paths: str) -> int:
        """How many requests to these paths the backend has logged."""
        log = self.server.log.read_text(errors="replace")
        return sum(log.count(f' {path} HTTP/1.1"') for path in paths)

    def studio_of_its_own(self) -> Studio:
        """A session for another thread, or for another person."""
        return Studio(self.studio.url, local.TOKEN)

    def mirror_path(self, project: int) -> Path:
        return self.models / str(project) / "pool.sqlite"

    def mirror(self, project: int, query: str) -> list[tuple[object, ...]]:
        """Rows of the backend's own database."""
        path = self.mirror_path(project)
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute(query).fetchall()
