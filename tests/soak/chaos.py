"""The chaos monkey: what goes wrong in a year, in minutes, in random order."""

import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from backend.dev import local
from backend.studio.api import Studio
from tests.backend.silent import silent_clients
from tests.soak.annotators import result_of
from tests.soak.ledger import Ledger
from tests.soak.proxy import Proxy
from tests.studio.bench import TOPICS

log = logging.getLogger("soak")

DECK = {
    "kill the server": 3,
    "kill the trainer": 4,
    "restart Label Studio": 1,
    "cut the network": 2,
    "edit the config": 2,
    "change a label": 1,
    "delete an annotation": 1,
    "freeze the trainer": 1,
    "fall silent": 1,
    "connect or delete a second backend": 2,
}
"""What happens in a storm, and how often."""

STORM, CALM = 40.0, 35.0
"""Seconds of each, by turns: in a calm a deep round can come to its end."""

PAUSE = STORM / sum(DECK.values())
"""Seconds from one event to the next."""

TRIES = 5

STARTED = 15.0
"""Seconds after which a trainer has loaded what it needs."""

SILENT = 8
"""Clients that begin a request and say no more: once there were that many threads."""

ADDED = '<Choice value="weather"/>'
REMOVED = f'<Choice value="{TOPICS[3]}"/>'
HEADERS = ('value="Which topic?"', 'value="What is it about?"')


class Editor(Studio):
    """The project's owner, who also puts wrong labels right."""

    def relabel(self, annotation: int, choice: str) -> None:
        self.session.call(
            "PATCH", f"/api/annotations/{annotation}/", json={"result": result_of(choice)}
        )

    def delete_annotation(self, annotation: int) -> None:
        self.session.call("DELETE", f"/api/annotations/{annotation}/")


class Monkey:
    """Owns both servers and the lines between them while it runs."""

    def __init__(
        self,
        studio_server: local.LocalProcess,
        server: local.LocalProcess,
        rival: local.LocalProcess,
        lines: Sequence[Proxy],
        project: int,
        ledger: Ledger,
        rng: random.Random,
        calm: float,
    ) -> None:
        """calm: seconds of quiet between two storms."""
        self._studio_server = studio_server
        self._server = server
        self._rival = rival
        self._silent = ExitStack()
        self._lines = lines
        self._project = project
        self._ledger = ledger
        self._rng = rng
        self._calm = calm
        self._editor = Editor(studio_server.url, local.TOKEN)
        self._heal_at = 0.0
        self._deck: list[str] = []
        self._events: dict[str, Callable[[], None]] = {
            "kill the server": self._kill_server,
            "kill the trainer": self._kill_trainer,
            "restart Label Studio": self._restart_studio,
            "cut the network": self._cut,
            "edit the config": self._edit_config,
            "change a label": self._change_label,
            "delete an annotation": self._delete_annotation,
            "freeze the trainer": self._freeze_trainer,
            "fall silent": self._fall_silent,
            "connect or delete a second backend": self._change_rival,
        }

    def run(self, seconds: float, look: Callable[[], object]) -> None:
        """Make trouble for this long, and until the storm at hand is over. Calls `look` every now
        and then."""
        began = due = time.monotonic()
        while (now := time.monotonic()) < began + seconds or self._deck:
            self._repair_when_due()
            look()
            if now < due:
                time.sleep(0.1)
                continue
            self._happen(self._draw())
            due += PAUSE if self._deck else PAUSE + self._calm

    def repair(self) -> None:
        for line in self._lines:
            line.heal()
        self._silent.close()

    def disconnect_rival(self) -> None:
        """Delete the second backend from the project, if it is there."""
        own = self._editor.of(self._project)
        for row in own.backends():
            if row["url"] == self._rival.url:
                own.disconnect_backend(row["id"])

    def _draw(self) -> str:
        if not self._deck:
            self._deck = self._rng.sample(list(DECK), sum(DECK.values()), counts=DECK.values())
        return self._deck.pop()

    def _happen(self, event: str) -> None:
        if event == "kill the trainer" and self._trainer() is None:
            event = "kill the server"  # an idle one that was killed comes back with the next job
        log.info("monkey: %s", event)
        self._events[event]()
        self._ledger.count(event)

    def _kill_server(self) -> None:
        self._server.kill()
        time.sleep(self._rng.uniform(0.0, 2.0))
        self._server.start()

    def _kill_trainer(self) -> None:
        pid = self._trainer()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def _freeze_trainer(self) -> None:
        """It hangs until the server notices. One that is still starting is left alone: it may be
        silent for long."""
        pid = self._trainer()
        if pid is not None and age_of(pid) > STARTED:
            os.kill(pid, signal.SIGSTOP)
            self._ledger.count("frozen trainers")

    def _fall_silent(self) -> None:
        """Clients begin requests and say no more."""
        with suppress(ConnectionRefusedError):  # it is starting
            self._silent.enter_context(silent_clients(self._server.url, SILENT))
        self._heal_at = time.monotonic() + self._rng.uniform(5.0, 10.0)

    def _change_rival(self) -> None:
        """Connect the second backend to the project by mistake, or delete it again."""
        own = self._editor.of(self._project)
        if any(row["url"] == self._rival.url for row in own.backends()):
            self.disconnect_rival()
        else:
            own.connect_backend({"url": self._rival.url, "title": "2", "auth_method": "NONE"})

    def _trainer(self) -> int | None:
        """The trainer's process, if there is one soon."""
        until = time.monotonic() + PAUSE
        while (pid := trainer_of(self._server.pid())) is None and time.monotonic() < until:
            self._repair_when_due()
            time.sleep(0.1)
        return pid

    def _restart_studio(self) -> None:
        began = time.monotonic()
        end = self._rng.choice((self._studio_server.stop, self._studio_server.kill))
        end()
        self._studio_server.start()
        self._studio_server.wait_until_up(self._repair_when_due)
        self._ledger.outages.append((began, time.monotonic()))
        log.info("monkey: Label Studio is up again")

    def _cut(self) -> None:
        silent = self._rng.random() < 0.5
        for line in self._lines:
            line.cut(silent=silent)
        self._heal_at = time.monotonic() + self._rng.uniform(2.0, 8.0)

    def _repair_when_due(self) -> None:
        if time.monotonic() >= self._heal_at:
            self.repair()

    def _edit_config(self) -> None:
        """Add or remove a choice, one that is in use too, or write another headline."""
        edit = self._rng.choice((_with_or_without_new, _with_or_without_used, _other_headline))
        wanted = edit(self._config())
        # Label Studio writes a project whole: of two changes at once, one is lost.
        for _ in range(TRIES):
            self._editor.of(self._project).update(label_config=wanted)
            if self._config() == wanted:
                return
            self._ledger.count("config edits saved again")
        raise AssertionError("Label Studio did not keep an edit of the labelling config")

    def _config(self) -> str:
        return str(self._editor.of(self._project).describe()["label_config"])

    def _change_label(self) -> None:
        annotation = self._one_annotation()
        if annotation is not None:
            choice = self._rng.choice(TOPICS)
            self._editor.relabel(annotation, choice)
            self._ledger.change(annotation, choice)

    def _delete_annotation(self) -> None:
        annotation = self._one_annotation()
        if annotation is not None:
            self._editor.delete_annotation(annotation)
            self._ledger.drop(annotation, time.monotonic())

    def _one_annotation(self) -> int | None:
        """An annotation of which it is known that its task is no longer locked."""
        rows = [number for number, row in self._ledger.there().items() if row.sure]
        return self._rng.choice(rows) if rows else None


def trainer_of(group: int) -> int | None:
    """The process of the server's group that runs the trainer; None while there is none."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = os.getpgid(int(entry.name)) == group
            if ours and b"backend.trainer.worker" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has just ended
    return None


def age_of(pid: int) -> float:
    """Seconds since a process was started."""
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - int(started) / os.sysconf("SC_CLK_TCK")


def _with_or_without_new(xml: str) -> str:
    if ADDED in xml:
        return xml.replace(ADDED, "")
    return xml.replace("</Choices>", f"{ADDED}</Choices>")


def _with_or_without_used(xml: str) -> str:
    if REMOVED in xml:
        return xml.replace(REMOVED, "")
    return xml.replace("</Choices>", f"{REMOVED}</Choices>")


def _other_headline(xml: str) -> str:
    before, after = HEADERS if HEADERS[0] in xml else HEADERS[::-1]
    return xml.replace(before, after)
