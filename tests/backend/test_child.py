"""What the trainer process is started with, and that nobody waits for one that is stuck."""

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from backend.errors import TrainerHung
from backend.trainer.child import ENVIRONMENT, Child, environment


def test_the_trainer_gets_no_secret_in_its_environment() -> None:
    """It decodes untrusted files, and had the token and the password of the backend at hand."""
    kept = {
        "PATH": "/bin",
        "HF_TOKEN": "h",
        "TOKENIZERS_PARALLELISM": "false",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "LOG_LEVEL": "INFO",
    }
    names = (
        "LABEL_STUDIO_API_KEY LABEL_STUDIO_URL LABEL_STUDIO_HEADERS BASIC_AUTH_PASS "
        "LABEL_STUDIO_USER_TOKEN "
        "LABEL_STUDIO_PASSWORD POSTGRES_PASSWORD AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID TOKEN"
    )
    assert environment({**kept, **dict.fromkeys(names.split(), "s")}) == {**ENVIRONMENT, **kept}


def test_what_people_set_wins_over_ours() -> None:
    assert environment({"OMP_WAIT_POLICY": "ACTIVE"}) == {
        **ENVIRONMENT,
        "OMP_WAIT_POLICY": "ACTIVE",
    }


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """A process that reads nothing and that no signal ends, as one that waits for a disk."""

    class Stuck(subprocess.Popen[str]):
        def __init__(self, _: object, **options: Any) -> None:
            super().__init__(["sleep", "600"], **options)

        def kill(self) -> None:
            """The signal waits until the disk answers."""

    monkeypatch.setattr("backend.trainer.child.subprocess.Popen", Stuck)
    for name in ("STARTING", "ENDING"):
        monkeypatch.setattr(f"backend.trainer.child.{name}", 0.1)
    child = Child()
    yield child
    child._process.send_signal(signal.SIGKILL)
    child.end()


def test_nobody_waits_for_a_trainer_that_does_not_read(deaf: Child) -> None:
    """The request for a project with many labels is longer than the pipe is deep: all projects
    waited for ever for one that a frozen process did not read."""
    deaf.say("x" * 1_000_000)
    with pytest.raises(TrainerHung):
        deaf.hear(0.1)


def test_nobody_waits_for_a_trainer_that_cannot_be_ended(
    deaf: Child, caplog: pytest.LogCaptureFixture
) -> None:
    """A signal does not end a process that waits for a disk; learning waited with it for good."""
    deaf.end()
    assert deaf.is_alive()
    assert "was killed and does not end" in caplog.text
