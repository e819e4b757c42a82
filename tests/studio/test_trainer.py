"""The trainer process of a running backend: what it is given, and what happens when it dies, hangs
or has much to do."""

from pathlib import Path

import pytest

from backend.dev import local
from tests.studio.bench import Bench, stories
from tests.studio.test_deep_round import trainer_of

PASSWORD = "s3cret-of-the-backend"

# Where Label Studio keeps its data makes no difference to the trainer.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    password = {"basic_auth_user": "me", "basic_auth_pass": PASSWORD}
    return {"encoder": str(one_layer), "max_tokens": 32, **password}


def test_the_trainer_is_not_given_the_backends_secrets(bench: Bench) -> None:
    """It decodes files that nobody has checked, and all secrets stood in its environment."""
    bench.connected(stories(12))
    environ = Path(f"/proc/{trainer_of(bench)}/environ").read_text()
    assert "PATH=" in environ and "LABEL_STUDIO_URL=" in environ
    assert local.TOKEN not in environ
    assert PASSWORD not in environ
