"""A real Label Studio on each database for all tests that ask for it, and backends beside it."""

import gc
import itertools
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Container, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from backend.dev import local
from backend.studio.api import Studio
from tests.studio.migrated import QUICK as QUICK_STUDIO
from tests.studio.migrated import migrated
from tests.studio.postgres import MISSING, programs

if TYPE_CHECKING:
    from tests.studio.bench import Bench

_numbers = itertools.count(1)


MARKERS = {"label_studio_program": "studio", "browser": "browser"}
"""By what a test asks for, directly or not: `make quick` leaves such tests out, as it does "slow"
ones."""


# Around all others: the markers before pytest picks tests by them, the order after pytest's own.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tests with servers come first, the largest group before all, so that many short ones even out
    in the end what several processes have to do."""
    for item in items:
        asked_for = getattr(item, "fixturenames", ())
        for fixture, marker in MARKERS.items():
            if fixture in asked_for:
                item.add_marker(marker)
    yield
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if is_on_postgresql(item.nodeid):
        return 0
    if not item.get_closest_marker("studio"):
        return 3
    # Those with the usual settings one after the other: they share a backend.
    has_its_own = hasattr(getattr(item, "module", None), "backend_settings")
    return 1 if has_its_own else 2


def is_on_postgresql(nodeid: str) -> bool:
    return "postgresql" in re.split(r"[-\[\]]", nodeid.partition("::")[2])


SHARING = {
    "tuned": ("annotators", "deep_round", "questions", "transfer"),
    "ordered": ("certify", "copies", "picking", "sure_tab"),
    "fed": ("dataset", "stream"),
}
"""Modules of tests/studio whose backends have the same settings: they share one."""

GROUPS = {
    f"tests/studio/test_{name}.py": group for group, names in SHARING.items() for name in names
}
# Else one process waits for three minutes while the other trains the detector of both.
GROUPS |= dict.fromkeys(["tests/browser/test_boxes.py", "tests/studio/test_boxes.py"], "boxes")


class Together(LoadScopeScheduling):  # type: ignore[misc]  # it tells no types
    """Several processes share the tests. Those of a module stay together, because they share a
    backend, and so do those of SHARING; all those on PostgreSQL, because they share a server.

    By what stands in their names: pytest-xdist's own groups are without effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if is_on_postgresql(nodeid):
            return "postgresql"
        module = nodeid.partition("::")[0]
        return GROUPS.get(module, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


class Processor:
    """Seconds of processor time, of this process and of all those below it, which other tests may
    have started and others stop."""

    def __init__(self) -> None:
        self._told = 0.0

    def since(self) -> float:
        """Those since the last call."""
        before, self._told = self._told, seconds_of(os.getpid())
        return max(0.0, self._told - before)  # less: nobody waited for one that was killed


TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(process: int) -> float:
    """Processor seconds of a process and of those that it started, also if they have ended."""
    own = _text(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()[11:15]
    with suppress(FileNotFoundError):
        threads = [*Path(f"/proc/{process}/task").iterdir()]
        living = [int(child) for one in threads for child in _text(one / "children").split()]
        return sum(map(int, own)) / TICKS + sum(map(seconds_of, living))
    return sum(map(int, own)) / TICKS


def _text(file: Path) -> str:
    """Nothing, where a process or a thread has ended meanwhile."""
    with suppress(OSError):
        return file.read_text()
    return ""


PROCESSOR = "processor_seconds"
"""An attribute of reports; it survives the way from the test processes to the summary."""

_processor = Processor()


# A quarter of the time that it takes to import all tests, and what they import stays.
gc.disable()

# Of other packages, which come with Selenium and would be loaded with every Hypothesis.
os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")


def pytest_collection_finish() -> None:
    gc.freeze()  # nor is it looked through after this, most of all at the end
    gc.enable()
    for name, logger in logging.root.manager.loggerDict.items():
        # PyTorch has 22 loggers that stand alone. pytest listens to each of these six times in
        # each test, which takes half of what a short test does.
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True
    _processor.since()  # what the imports took is no test's


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The last report of a test says what all of it took, what its servers did meanwhile
    included."""
    report = yield
    vars(report)[PROCESSOR] = _processor.since() if report.when == "teardown" else 0.0
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """With --durations, say what the minutes of each process went to, so two of them take half, how
    much of this was processor time, and which modules took most of that."""
    shown = config.getoption("durations")
    if shown is None:
        return
    wall: defaultdict[str, float] = defaultdict(float)
    processor, modules = wall.copy(), wall.copy()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            part, seconds = part_of(report.nodeid, report.keywords), vars(report)[PROCESSOR]
            wall[part] += report.duration
            processor[part] += seconds
            modules[module_of(report.nodeid)] += seconds
    minutes, busy = sum(wall.values()) / 60.0, sum(processor.values()) / 60.0
    terminalreporter.section(f"{minutes:.1f} minutes of one process, {busy:.1f} of a processor")
    for part in _most(wall):
        line = f"{wall[part] / 60.0:6.1f}{processor[part] / 60.0:6.1f}  {part}"
        terminalreporter.write_line(line)
    terminalreporter.section("processor seconds of the modules that took most")
    for module in _most(modules)[:shown]:
        terminalreporter.write_line(f"{modules[module]:6.0f}  {module}")


def _most(seconds: Mapping[str, float]) -> list[str]:
    return sorted(seconds, key=seconds.__getitem__, reverse=True)


def module_of(nodeid: str) -> str:
    module = nodeid.partition("::")[0]
    return f"{module} on PostgreSQL" if is_on_postgresql(nodeid) else module


def part_of(nodeid: str, keywords: Container[str]) -> str:
    """Where a test belongs in that summary: its folder, and what makes it expensive."""
    folder = nodeid.partition("::")[0].rpartition("/")[0]
    if is_on_postgresql(nodeid):
        return f"{folder} on PostgreSQL"
    return f"{folder}, slow" if "slow" in keywords else folder


@pytest.fixture(scope="session", autouse=True)
def no_power_fails() -> Iterator[None]:
    """What this process writes need not be on the disk, which takes a millisecond and more for each
    of thousands of files. Whether something is written whole is what kills show."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """What Label Studio keeps its data in: each test that reaches it runs once on each."""
    name: str = request.param
    if name == "postgresql" and programs() is None:
        pytest.skip(MISSING)
    return name


@pytest.fixture(scope="session")
def label_studio_program() -> str:
    program = os.environ.get("LABEL_STUDIO_BIN")
    if not program:
        pytest.skip("LABEL_STUDIO_BIN names no Label Studio; `make test` installs one and sets it")
    return program


@pytest.fixture(scope="session")
def label_studio_ml() -> Path:
    """The program of label-studio-ml 2.x; python and our dependencies are beside it."""
    program = os.environ.get("LABEL_STUDIO_ML_BIN")
    if not program:
        pytest.skip(
            "LABEL_STUDIO_ML_BIN names no label-studio-ml 2.x, which is on no package index; "
            "CONTRIBUTING.md says how to install one"
        )
    return Path(program).absolute()


@pytest.fixture(scope="session")
def studio_environ() -> Mapping[str, str]:
    """More variables of Label Studio; tests/benchmarks has others."""
    return QUICK_STUDIO


@pytest.fixture(scope="session")
def label_studio(
    label_studio_program: str,
    database: str,
    studio_environ: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[local.LocalProcess]:
    folder, port = tmp_path_factory.mktemp("label-studio"), local.free_port()
    with (
        migrated(database, folder, label_studio_program) as environ,
        local.label_studio(
            folder, port, label_studio_program, {**environ, **studio_environ}
        ) as server,
    ):
        server.wait_until_up()
        yield server


@pytest.fixture(scope="session")
def studio(label_studio: local.LocalProcess) -> Studio:
    return Studio(label_studio.url, local.TOKEN)


QUICK: dict[str, object] = {
    "log_level": "DEBUG",
    "poll_seconds": 5,
    "deep_rounds": "no",
    "max_tokens": 32,
    "max_windows": 1,
    "label_aliases": '{"hard / finance": "hard / business"}',
    "weak_labels": "tags",
}
"""Of a backend in tests: texts are read only as far as it takes to tell them apart; and what does
no harm where it is not looked at, so that many modules can share a backend."""


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    """Override in a test module for a backend with other settings."""
    return {}


@pytest.fixture(scope="session")
def tuned_settings(one_layer: Path) -> dict[str, object]:
    """Of a backend that tunes an encoder in seconds."""
    return {"deep_rounds": "yes", "deep_round_first": 20, "encoder": str(one_layer)}


@pytest.fixture(scope="session")
def ordered_settings() -> dict[str, object]:
    """Of a backend whose order holds all open tasks and no others than the strategy's. About ten
    labels prove the precision."""
    order = {"shortlist": 200, "audit_share": 0.1, "guard": False}
    return {**order, "goal_precision": 0.7}


@pytest.fixture(scope="session")
def fed_settings() -> dict[str, object]:
    """Of a backend that keeps this many tasks open."""
    return {"open_tasks": 40}


class Backends:
    """The backends beside one Label Studio, one at a time: it goes on for the next module with the
    same settings."""

    def __init__(self, studio: Studio, folders: pytest.TempPathFactory) -> None:
        self._studio = studio
        self._folders = folders
        self._running: Bench | None = None

    def of(self, settings: dict[str, object]) -> "Bench":
        """A running one with these settings."""
        # Not at import, here and below: it loads the learning libraries, which the process that
        # only hands out the tests does not need, and all others wait for it.
        from tests.studio.bench import Bench  # noqa: PLC0415

        if self._running is not None and self._running.settings == settings:
            return self._running
        self.stop()
        folder: Path = self._folders.mktemp(f"backend-{next(_numbers)}")
        server = local.backend(folder, local.free_port(), self._studio.url, **settings)
        server.start()
        self._running = Bench(self._studio, server, folder / "models", settings)
        server.wait_until_up()
        return self._running

    def stop(self) -> None:
        if self._running is not None:
            self._running.server.stop()
            self._running = None


@pytest.fixture(scope="session")
def backends(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    made = Backends(studio, tmp_path_factory)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared_bench(backends: Backends, backend_settings: dict[str, object]) -> "Bench":
    """A running backend beside the real Label Studio, for all tests of a module."""
    return backends.of({**QUICK, **backend_settings})


@pytest.fixture
def bench(shared_bench: "Bench") -> "Iterator[Bench]":
    """The backend with no projects but the test's own: each that is left costs Label Studio three
    requests every few seconds."""
    yield shared_bench
    shared_bench.delete_projects()


@pytest.fixture(scope="session")
def shape_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that was trained for a minute, once for all processes of a run: it knows circles,
    and twelve kinds of shapes that are not in the pictures that tests show it."""
    from model.storage.vectors import locked  # noqa: PLC0415 (as above)
    from tests.model.shapes import OTHERS, detector  # noqa: PLC0415

    own: Path = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shape-detector"
    with locked(own.parent / "shape-detector.lock"):
        if not folder.exists():
            aside = tmp_path_factory.mktemp("detector")
            detector(aside, ("circle", *OTHERS), 300).rename(folder)
    return folder


COMMON_WORDS = 8192
"""How many of the bundled encoder's words and pieces of words `one_layer` knows: the first ones,
which are the most frequent."""


@pytest.fixture(scope="session")
def one_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled encoder cut to its first layer and to common words: real weights, trained in
    seconds, and 21 MB to read, copy and write instead of 91."""
    from model.encoders.text import BUNDLED, TextEncoder  # noqa: PLC0415

    folder: Path = tmp_path_factory.mktemp("one-layer")
    whole = TextEncoder(BUNDLED, 32)
    whole.network.encoder.layer = whole.network.encoder.layer[:1]
    whole.network.config.num_hidden_layers = 1
    whole.network.resize_token_embeddings(COMMON_WORDS)
    whole.save(folder)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    words = tokenizer["model"]["vocab"].items()
    tokenizer["model"]["vocab"] = {word: row for word, row in words if row < COMMON_WORDS}
    file.write_text(json.dumps(tokenizer))
    return folder
