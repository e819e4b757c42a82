"""What several of these tests need."""

from collections.abc import Iterator

import pytest

from tests.backend.web import Web


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server whose answers a test writes down."""
    web = Web()
    yield web
    web.close()
