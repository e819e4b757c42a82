"""A real Label Studio on each database for all tests that ask for it, and backends beside it."""

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from backend.dev import local
from backend.studio.api import Studio
from tests.studio.bench import Bench
from tests.studio.migrated import put_migrated
from tests.studio.postgres import MISSING, postgresql, programs

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several processes share the tests: those of a module on one database stay together, because
    they share a backend."""
    for item in items:
        callspec = getattr(item, "callspec", None)  # what the item is parametrized with
        database = callspec.params.get("database", "") if callspec is not None else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path} {database}"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """What Label Studio keeps its data in: each test that reaches it runs once on each."""
    name: str = request.param
    if name == "postgresql" and programs() is None:
        pytest.skip(MISSING)
    return name


@pytest.fixture(scope="session")
def label_studio(
    database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[local.LocalProcess]:
    executable = os.environ.get("LABEL_STUDIO_BIN")
    if not executable:
        pytest.skip("LABEL_STUDIO_BIN names no Label Studio; `make test` installs one and sets it")
    folder, port = tmp_path_factory.mktemp("label-studio"), local.free_port()
    if database == "sqlite":
        put_migrated(folder, executable)
    with (
        running(database) as environ,
        local.label_studio(folder, port, executable, environ) as server,
    ):
        server.wait_until_up()
        yield server


def running(database: str) -> AbstractContextManager[Mapping[str, str]]:
    """The variables with which Label Studio uses it, while it runs."""
    return postgresql() if database == "postgresql" else nullcontext({"DJANGO_DB": "sqlite"})


@pytest.fixture(scope="session")
def studio(label_studio: local.LocalProcess) -> Studio:
    return Studio(label_studio.url, local.TOKEN)


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    """Override in a test module for a backend with other settings."""
    return {}


@pytest.fixture(scope="module")
def shared_bench(
    label_studio: local.LocalProcess,
    studio: Studio,
    backend_settings: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """A running backend beside the real Label Studio, for all tests of a module."""
    folder: Path = tmp_path_factory.mktemp(f"backend-{next(_numbers)}")
    settings = {"log_level": "DEBUG", "poll_seconds": 5, "deep_rounds": "no", **backend_settings}
    server = local.backend(folder, local.free_port(), label_studio.url, **settings)
    with server:
        server.wait_until_up()
        yield Bench(studio, server, folder / "models", settings)


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    """The backend with no projects but the test's own: each that is left costs Label Studio three
    requests every few seconds."""
    yield shared_bench
    shared_bench.delete_projects()
