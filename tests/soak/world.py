"""All that a soak runs on: both servers, the lines between them, a project, and its annotators."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from backend.commands.connect import connect, wait_for_order
from backend.dev import local
from backend.dev.demo import articles
from backend.progress import waiting
from backend.settings import Settings
from backend.studio.api import Studio
from backend.types import Json
from model.storage.store import Store
from tests.model.test_image_encoder import res_net
from tests.soak.annotators import Annotator, Page, sign_up
from tests.soak.ledger import Ledger
from tests.soak.pictures import pictures_project
from tests.soak.proxy import Proxy
from tests.studio.bench import SINGLE

ANNOTATORS = 3
LENGTH = 200
"""Characters of a task: short ones are encoded quickly."""

SETTINGS: dict[str, object] = {
    "poll_seconds": 5,
    "max_tokens": 32,
    "max_windows": 1,
    "shortlist": 100,
    "trainer_timeout_minutes": 0.2,
    "log_level": "DEBUG",
}
RIVAL: dict[str, object] = {"poll_seconds": 5, "deep_rounds": "no", "threads": 2}
"""Settings of the second backend."""


@dataclass
class World:
    """studio: the project's owner at Label Studio, past the lines; pictures: the number of another
    project; rival: a second backend, which somebody connects to the first project by mistake."""

    folder: Path
    studio_server: local.LocalProcess
    server: local.LocalProcess
    rival: local.LocalProcess
    lines: tuple[Proxy, Proxy]
    studio: Studio
    project: int
    pictures: int
    ledger: Ledger
    annotators: list[Annotator]

    def store(self) -> Store:
        return Store(self.project_folder())

    def project_folder(self) -> Path:
        return self.folder / "models" / str(self.project)

    def served(self) -> str:
        """The version that the backend says it serves; "" while it does not answer."""
        url = f"{self.server.url}/versions"
        try:
            answer = requests.get(url, params={"project": self.project}, timeout=10.0)
        except requests.RequestException:
            return ""
        return str(answer.json()["served"])

    def state(self, project: int) -> Json:
        """What the backend says of a project."""
        url = f"{self.server.url}/status/{project}.json"
        answer: Json = requests.get(url, timeout=10.0).json()
        return answer


@contextmanager
def running(
    folder: Path, label_studio: str, tasks: int, seed: int, **settings: object
) -> Iterator[World]:
    """Start everything, with a first order; stop everything in the end. Logs are in `folder`.
    settings: of the backend, besides SETTINGS."""
    studio_server = local.label_studio(folder, local.free_port(), label_studio)
    server_port = local.free_port()
    to_studio, to_server = Proxy(port_of(studio_server.url)), Proxy(server_port)
    everything = {**SETTINGS, "image_encoder": res_net(folder / "images"), **settings}
    server = local.backend(folder, server_port, to_studio.url, seed=seed, **everything)
    rival = local.backend(folder / "rival", local.free_port(), studio_server.url, **RIVAL)
    try:
        with studio_server, server, rival:
            with waiting("Label Studio starts (a minute at the first time)") as line:
                studio_server.wait_until_up(line.update)
                server.wait_until_up(line.update)
                rival.wait_until_up(line.update)
            studio = Studio(studio_server.url, local.TOKEN)
            project = int(studio.create_project(title="Soak", label_config=SINGLE)["id"])
            studio.of(project).import_tasks(passages(tasks))
            # Label Studio knows the backend by the line's address, and sends webhooks there.
            connect(studio, project, to_server.url, "Active learning", Settings())
            pictures = pictures_project(studio)
            connect(studio, pictures, to_server.url, "Active learning", Settings())
            wait_for_order(studio, project)
            ledger = Ledger()
            people = annotators(studio_server.url, project, ledger, seed)
            lines = (to_studio, to_server)
            yield World(
                folder,
                studio_server,
                server,
                rival,
                lines,
                studio,
                project,
                pictures,
                ledger,
                people,
            )
    finally:
        to_studio.close()
        to_server.close()


def annotators(url: str, project: int, ledger: Ledger, seed: int) -> list[Annotator]:
    """People with a user of their own each: Label Studio locks a task for the user who got it."""
    people = []
    for number in range(1, ANNOTATORS + 1):
        page = Page(url, sign_up(url, f"annotator{number}@example.com"))
        rng = random.Random(f"{seed} {number}")
        people.append(Annotator(page, project, ledger, rng, f"annotator {number}"))
    return people


def passages(count: int) -> list[Json]:
    """Pieces of real news stories: the first piece of each, then the second of each, and so on."""
    stories = articles()
    longest = max(len(text) for text, _ in stories)
    pieces = (
        {"story": text[start : start + LENGTH], "topic": topic}
        for start in range(0, longest, LENGTH)
        for text, topic in stories
        if text[start : start + LENGTH].strip()
    )
    return [piece for piece, _ in zip(pieces, range(count), strict=False)]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
