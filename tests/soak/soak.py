"""One soak: annotators and the chaos monkey at work, a last power cut, healing, and the proof."""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.progress import counting, waiting
from tests.soak.chaos import CALM, Monkey
from tests.soak.report import Report, kills, report_of, unhealed, wrong_pictures
from tests.soak.world import World, running

log = logging.getLogger("soak")

TASKS_FIRST, TASKS_A_MINUTE = 300, 120
"""More than the annotators can label, so that there is always an order."""

HEALING_LIMIT = 300.0

LOOK = 3.0
"""Seconds between two looks at what has healed: each lists all tasks, which takes Label Studio half
a second, and what heals waits for it."""


def soak(
    minutes: float,
    seed: int,
    folder: Path,
    label_studio: str,
    *,
    calm: float = CALM,
    **settings: object,
) -> Report:
    """Run a soak in an empty folder. Everything random follows the seed; what happens when still
    depends on how fast the machine is. calm: seconds of quiet between two storms; settings: of the
    backend, besides those of the world."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = TASKS_FIRST + int(TASKS_A_MINUTE * minutes)
    everything = running(folder, label_studio, tasks, seed, **settings)
    with _logging_to(folder / "soak.log"), everything as world:
        _label_in_chaos(world, minutes * 60.0, seed, calm)
        left = _cut_the_power(world)
        healed = _heal(world)
        return report_of(world, left, healed)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(threadName)s: %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _label_in_chaos(world: World, seconds: float, seed: int, calm: float) -> None:
    rng, began = random.Random(seed), time.monotonic()
    monkey = Monkey(
        world.studio_server,
        world.server,
        world.rival,
        world.lines,
        world.project,
        world.ledger,
        rng,
        calm,
    )
    with counting("soak", int(seconds), "s") as bar:

        def look() -> None:
            labels = len(world.ledger.saved)
            bar.set_postfix_str(f"{labels} labels, {kills(world)} kills", refresh=False)
            bar.update(int(time.monotonic() - began) - bar.n)

        for annotator in world.annotators:
            annotator.start()
        try:
            monkey.run(seconds, look)
        finally:
            monkey.repair()
            monkey.disconnect_rival()
            for annotator in world.annotators:
                annotator.stop()
            for annotator in world.annotators:
                annotator.join()


def _cut_the_power(world: World) -> dict[Path, int]:
    """Kill the server a last time and start it. Returns what it left unfinished, by inode."""
    world.server.kill()
    left = {path: path.stat().st_ino for path in world.project_folder().glob("*/*.unfinished")}
    world.server.start()
    return left


def _heal(world: World) -> float:
    """Wait until all is learnt. Returns the seconds, and gives up in time: the proof then says what
    is missing."""
    began = time.monotonic()
    until = began + HEALING_LIMIT
    with waiting("healing") as line:
        while (unhealed(world) or wrong_pictures(world)) and time.monotonic() < until:
            line.update()
            time.sleep(LOOK)
    return time.monotonic() - began
