"""What the work on a project is given: where it is done, by what settings, and whom to inform."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.mirror.pool import FILE as MIRROR
from backend.project.loop import Hint, ProjectLoop
from backend.project.metrics import ProjectMetrics
from backend.project.progress import Progress
from backend.project.status import Status
from backend.project.troubles import Troubles
from backend.queue.inbox import Inbox
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.process import TrainerProcess


@dataclass(frozen=True)
class ProjectContext:
    """number: the project's id; folder: where all that is known of it is kept; status: how the work
    before left it; wake: asks for a further turn, from any thread."""

    number: int
    folder: Path
    connection: Connection
    settings: Settings
    trainer: TrainerProcess
    inbox: Inbox
    progress: Progress
    metrics: ProjectMetrics
    troubles: Troubles
    status: Status
    wake: Callable[[Hint], None]

    @property
    def mirror(self) -> Path:
        """The file of the project's mirror."""
        return self.folder / MIRROR

    @property
    def is_known(self) -> bool:
        """Whether the project was connected before."""
        return self.mirror.is_file()


def context_of(
    loop: ProjectLoop, connection: Connection, settings: Settings, trainer: TrainerProcess
) -> ProjectContext:
    """What a loop gives to its work."""
    return ProjectContext(
        number=loop.project,
        folder=settings.model_dir / str(loop.project),
        connection=connection,
        settings=settings,
        trainer=trainer,
        inbox=loop.inbox,
        progress=loop.progress,
        metrics=loop.metrics,
        troubles=loop.troubles,
        status=loop.status,
        wake=loop.wake,
    )
