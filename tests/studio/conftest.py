"""What several of the tests with a real Label Studio need."""

from collections.abc import Iterator

import pytest

from tests.backend.web import Web


@pytest.fixture(scope="module")
def files() -> Iterator[Web]:
    """Another host that media come from."""
    web = Web()
    yield web
    web.close()
