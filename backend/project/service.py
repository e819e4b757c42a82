"""All projects of this backend: who is connected, and the one loop of each."""

import gc
import logging
import resource
import threading
from contextlib import closing
from functools import cached_property
from importlib import import_module
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from backend.dataset.arriving import ID_COLUMN, checked, keep_sent
from backend.dataset.record import read_record
from backend.errors import BackendError, BadRequest, NotConnected, UnknownProject
from backend.folder.lock import PATIENCE, held
from backend.folder.private import keep_private
from backend.interface.preannotations import demand_score
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.context import context_of
from backend.project.loop import Hint, ProjectLoop, Work
from backend.project.metrics import Metrics
from backend.project.readiness import StudioHealth, all_have_their_order
from backend.queue.publish import as_we_left_it
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.process import TrainerProcess
from backend.types import Json

if TYPE_CHECKING:
    from backend.project.predictor import Predictor
    from backend.project.status import Served
    from model.types import Floats

log = logging.getLogger(__name__)

NOTHING_SERVED = "0.0"
"""The version before the first one."""

SHOWN_REFUSALS = 100
"""Of the items that were sent; an answer could be longer than the question."""

MAX_PROJECTS = 1000
"""Each has a thread."""
FILES, SPARE_FILES = 6, 200
"""How many files each project has open, and how many are kept for all else, besides the quarter
that connections may take."""

HINTS: dict[str, Hint] = {
    "ANNOTATION_CREATED": "labels",
    "ANNOTATIONS_CREATED": "labels",
    "ANNOTATION_UPDATED": "labels",
    "ANNOTATIONS_DELETED": "labels",
    "ANNOTATION_DELETED": "labels",
    "TASKS_CREATED": "tasks",
    "TASKS_DELETED": "tasks",
    "PROJECT_UPDATED": "project",
    "START_TRAINING": "train",
}
"""What each of Label Studio's webhook events tells the loop. Others are not our business."""


class Service:
    """Owns the projects' loops. All methods may be called from any thread.

    The learning libraries take seconds to import. Only the loops' threads and the first prediction
    import them, so that the server answers `/health` and `/setup` meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._has_resumed = False
        self._studio = StudioHealth(settings.label_studio_url, settings.studio_headers)
        self.identity = token_urlsafe()
        """What we answer when Label Studio asks who is there; see backend.queue.listing."""
        self.metrics = Metrics()
        self._loops: dict[int, ProjectLoop] = {}
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_projects = max(1, min(MAX_PROJECTS, (files - files // 4 - SPARE_FILES) // FILES))
        self._lock = threading.Lock()
        self.trainer = TrainerProcess()

    def hold(self, patience: float = PATIENCE) -> None:
        """Keep other users and other servers out of MODEL_DIR until this process ends. Raises
        ModelDirInUse when another server works there for longer than `patience` seconds."""
        keep_private(self.settings.model_dir)
        self._held = held(self.settings.model_dir, patience)

    def resume(self) -> None:
        """Start the trainer and the loops of all projects that were connected before."""
        self.trainer.start()
        if not self.settings.label_studio_url:
            log.warning("LABEL_STUDIO_URL is not set: no project can be connected")
        else:
            self._resume_projects()
        self._has_resumed = True
        import_module("backend.project.turn")  # what learns: now, and not while a project waits
        # What the libraries hold stays. Without this, each full garbage collection goes through it
        # all and stops every thread meanwhile: 0.23 s measured, a quarter of a webhook's time.
        gc.collect()
        gc.freeze()

    def _resume_projects(self) -> None:
        connection = self._connection(self.settings.label_studio_api_key)
        for folder in sorted(self.settings.model_dir.glob("*")):
            if folder.name.isdigit() and (folder / MIRROR).is_file():
                with self._lock:
                    self._resume_project(int(folder.name), connection)

    def _resume_project(self, project: int, connection: Connection) -> None:
        try:
            self._started(project, connection)
        except BackendError as error:
            log.error("project %d is left out: %s", project, error)

    def connect(self, project: int, hostname: str, token: str, backend_url: str) -> None:
        """Somebody called /setup: start the project's loop, which asks Label Studio what is true.

        The settings' key wins over the token that came, and a token is sent only to the settings'
        address. Raises NotConnected without one.
        """
        settings = self.settings
        if not settings.label_studio_url:
            raise NotConnected(
                "LABEL_STUDIO_URL is not set, and the backend calls no address that only a request "
                "names. Set it to Label Studio's address as the backend reaches it"
            )
        key = settings.label_studio_api_key or token
        connection = self._connection(key, spare_token=token)
        with self._lock:
            loop = self._loops.get(project)
            if loop is None or loop.has_ended:
                loop = self._started(project, connection)
        loop.inbox.call(backend_url, hostname)
        loop.connect(connection)

    def _connection(self, token: str, spare_token: str = "") -> Connection:
        settings = self.settings
        return Connection(
            settings.label_studio_url, token, spare_token, headers=settings.studio_headers
        )

    def _started(self, project: int, connection: Connection) -> ProjectLoop:
        """A new loop for a project, if need be in place of one that never worked."""
        if self._loops.pop(project, None) is not None:
            self.metrics.forget(project)
        if len(self._loops) >= self._most_projects:
            self._make_room()
        metrics = self.metrics.of(project)
        seconds = self.settings.poll_seconds
        loop = ProjectLoop(
            project, connection, self._make_work, seconds, metrics, identity=self.identity
        )
        loop.start()
        self._loops[project] = loop
        log.info("project %d: looking for it", project)
        return loop

    def _make_room(self) -> None:
        """Let go of the oldest project in which we never worked: anybody can name such ones."""
        for number, loop in self._loops.items():
            if not (self.folder(number) / MIRROR).is_file():
                loop.leave()
                del self._loops[number]
                self.metrics.forget(number)
                return
        raise BackendError(
            f"{self._most_projects} projects are connected, and one backend has no more. Run "
            "another backend with a MODEL_DIR of its own for further projects"
        )

    def project_of(self, secret: object) -> int | None:
        """The project whose webhook carries this secret."""
        if not isinstance(secret, str):
            return None
        return next((loop.project for loop in self.loops() if loop.inbox.knows(secret)), None)

    def version_of(self, project: int) -> str:
        """The served version's name; NOTHING_SERVED before there is one. Never waits."""
        loop = self._loops.get(project)
        served = None if loop is None else loop.served
        return NOTHING_SERVED if served is None else served.version.name

    def versions_of(self, project: int) -> list[str]:
        """Names of the project's versions on disk, oldest first; [] before there is one."""
        loop = self._loops.get(project)
        served = None if loop is None else loop.served
        return [] if served is None else served.store.version_names()

    def loops(self) -> list[ProjectLoop]:
        """The loops of all connected projects, by number."""
        return [loop for _, loop in sorted(self._loops.items())]

    def loop(self, project: int) -> ProjectLoop:
        """The project's loop. Raises UnknownProject when it is not connected."""
        loop = self._loops.get(project)
        if loop is None:
            raise UnknownProject(
                f"Project {project} is not connected to this backend. Open its Settings > Model in "
                f"Label Studio, or run: python -m backend connect --project {project}"
            )
        return loop

    def folder(self, project: int) -> Path:
        """Where all that is known of a project is kept."""
        return self.settings.model_dir / str(project)

    def pin(self, project: int, version: str | None) -> None:
        """Go back to a version, or with None on to the newest again. Raises UnknownProject, and
        BackendError when the version cannot be served."""
        from backend.project.pin import pin, unpin  # noqa: PLC0415 (see the class)
        from backend.project.versions import store_of, version_of  # noqa: PLC0415

        loop = self.loop(project)
        store = store_of(self.settings.model_dir, project)
        if version is None:
            unpin(store)
        else:
            pin(store, version_of(store, version))
        loop.wake("project")

    def certify(self, project: int, budget: str) -> None:
        """Ask first for audit labels that prove what the model may label by itself, at most as many
        as this text says. Raises UnknownProject, UnknownVersion where nothing can be proved, and
        BadRequest for what is no number."""
        from backend.project import certification  # noqa: PLC0415 (see the class)
        from backend.project.versions import store_of  # noqa: PLC0415
        from model.finishing.goal import Goal  # noqa: PLC0415

        loop, settings = self.loop(project), self.settings
        store = store_of(settings.model_dir, project)
        if not (budget.isascii() and budget.strip().isdigit()) or len(budget) > 15:
            raise BadRequest(
                f"{budget[:50]!r} is no number of audit labels: type a whole number such as 100"
            )
        with closing(Pool(store.folder / MIRROR)) as pool:
            goal = Goal(settings.goal_precision, settings.goal_confidence)
            certification.start(pool, store, goal, int(budget))
        loop.wake("project")

    def stop_certifying(self, project: int) -> None:
        """Go back to the usual order. Raises UnknownProject."""
        from backend.project import certification  # noqa: PLC0415 (see the class)

        with closing(self._mirror(project)) as pool:
            certification.stop(pool)
        self.loop(project).wake("project")

    def pick(self, project: int, text_of_ids: str) -> Json:
        """Have the tasks whose numbers are in this text, with commas between them, labelled next.
        Returns what became of them, see `backend.project.picking.Picked`. Raises UnknownProject,
        and BadRequest for what is no list of tasks."""
        from backend.project import picking  # noqa: PLC0415 (see the class)

        ids = picking.ids_in(text_of_ids)
        with closing(self._mirror(project)) as pool:
            found = picking.pick(pool, self.settings, ids)
        self.loop(project).wake("labels")
        return found.to_json()

    def stop_picking(self, project: int) -> None:
        """Go back to the usual order. Raises UnknownProject."""
        from backend.project import picking  # noqa: PLC0415 (see the class)

        with closing(self._mirror(project)) as pool:
            picking.stop(pool)
        self.loop(project).wake("labels")

    def _mirror(self, project: int) -> Pool:
        """The mirror of a connected project. Raises UnknownProject."""
        from backend.project.versions import store_of  # noqa: PLC0415 (see the class)

        self.loop(project)
        return Pool(store_of(self.settings.model_dir, project).folder / MIRROR)

    def predict(self, project: int, tasks: list[Json]) -> list[Json]:
        """One prediction a task; without results while the project has no version yet."""
        loop = self.loop(project)
        served = loop.served
        if served is None:
            score = demand_score(0.0)
            return [{"result": [], "score": score, "model_version": NOTHING_SERVED} for _ in tasks]
        return self._predictor.predict(served, tasks, loop.status.copied)

    def encoded(self, served: "Served", words: str) -> "Floats":
        """The vector (d,) of some words, by the encoder of this version. Raises BadRequest for
        words that the encoder does not know, and BackendError where it cannot be loaded and while
        too many others wait for it."""
        return self._predictor.words(served, words)

    def notify(self, project: int, event: str, body: Json, secret: object = None) -> None:
        """A webhook event arrived. Label Studio's API is the truth, so the event is only a hint to
        look there; losing one costs nothing but time.

        `body`: what the event says. Our own switch of the version comes back to us as
        PROJECT_UPDATED; that one needs no look. `secret`: what our own webhook carries; without it
        nothing that the event says is believed. Raises UnknownProject, and BadRequest with the
        secret of another project.
        """
        own = self.project_of(secret)
        if own not in (None, project):
            raise BadRequest(f"The secret is that of project {own}, not of project {project}")
        loop = self.loop(project)
        described, is_ours = body.get("project"), loop.inbox.knows(secret)
        if event == "PROJECT_UPDATED" and isinstance(described, dict):
            served = loop.served
            if is_ours:
                loop.inbox.report(described)
            if served is not None and as_we_left_it(described, served.version.name, served.xml):
                return
        if HINTS.get(event) == "labels":
            loop.metrics.submits.inc()
            task = body.get("task")
            if is_ours and isinstance(task, dict) and isinstance(task.get("id"), int):
                loop.inbox.submit(task["id"])
        if event in HINTS:
            loop.wake(HINTS[event])

    def take_items(self, project: int, rows: list[object]) -> Json:
        """Keep rows that were sent until the trainer adds them to the project's dataset. Returns
        how many were accepted and refused, and of the first that were refused their places in the
        list and why.

        Raises UnknownProject, NotConnected before the labelling interface is known, and
        TooManySent.
        """
        loop, folder = self.loop(project), self.folder(project)
        config = loop.status.config
        if config is None:
            raise NotConnected(
                f"What project {project} asks is not known yet, so no item can be checked. Send "
                "this again in a minute; if that does not help, see the status page"
            )
        record = read_record(folder)
        id_column = ID_COLUMN if record is None else record.id_column
        accepted, refused = checked(rows, id_column, config)
        if accepted:
            try:
                keep_sent(folder, accepted)
            except OSError as error:
                raise BackendError(f"The items cannot be kept: {error}. Send them again") from error
            loop.wake("tasks")
        return {
            "accepted": len(accepted),
            "refused": [{"place": place, "why": why} for place, why in refused[:SHOWN_REFUSALS]],
            "refused_count": len(refused),
        }

    def readiness(self) -> dict[str, bool]:
        """What must hold so that annotators get tasks in order.

        trainer: its process runs; label_studio: it answers; orders: each project that ever had an
        order serves one, those included that this process has not looked at yet.
        """
        return {
            "trainer": self.trainer.is_alive(),
            "label_studio": self._studio.is_up(),
            "orders": self._has_resumed
            and all_have_their_order(self.loops(), self.settings.model_dir),
        }

    def stop(self) -> None:
        """End all loops and the trainer process."""
        with self._lock:
            loops, self._loops = list(self._loops.values()), {}
        self.trainer.stop()
        for loop in loops:
            loop.stop()

    @cached_property
    def _predictor(self) -> "Predictor":
        from backend.project.predictor import Predictor  # noqa: PLC0415 (see the class)

        return Predictor(self.settings.threads // 2)

    def _make_work(self, loop: ProjectLoop, connection: Connection) -> Work:
        from backend.project.turn import Turns  # noqa: PLC0415 (see the class)

        return Turns(context_of(loop, connection, self.settings, self.trainer))


def project_id(value: object) -> int:
    """Label Studio's "7.1795306715", "7" or 7 as 7. Raises BadRequest for anything else."""
    if isinstance(value, dict):
        value = value.get("id")
    text = str(value).split(".", 1)[0]
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or isinstance(value, bool):
        raise BadRequest(f"'project' must be a project id such as 7, not {str(value)[:50]!r}")
    return int(text)
