"""A project's mirror is opened, or made when the project is connected for the first time."""

from backend.errors import NoSuchProject, ProjectGone
from backend.folder.format import check_format
from backend.mirror.identity import is_of, set_aside
from backend.mirror.pool import Pool
from backend.project.context import ProjectContext
from backend.queue.listing import listing_of
from backend.queue.upkeep import keep_listing
from backend.studio.project import StudioProject
from backend.types import Json


def opened_mirror(context: ProjectContext, studio: StudioProject) -> Pool:
    """The mirror in the project's folder, which is made only for a project that is there and for
    which Label Studio lists us: nothing is written for requests that name others.

    Raises NoSuchProject, NotListed, ProjectReplaced when the mirror is one of another project, and
    NewerData when a later release wrote it.
    """
    described = _described(context, studio)
    listing = None if context.is_known else listing_of(studio, context.inbox, "")
    context.folder.mkdir(parents=True, exist_ok=True)
    check_format(context.folder)
    pool = Pool.repaired(context.mirror, context.troubles.note)
    if listing is not None:
        keep_listing(pool, listing)
    if not is_of(pool, described):
        pool.close()
        context.trainer.cancel(context.number)
        raise set_aside(context.folder)
    return pool


def _described(context: ProjectContext, studio: StudioProject) -> Json:
    try:
        return studio.describe()
    except ProjectGone as error:
        if context.is_known:
            raise
        raise NoSuchProject(str(error)) from error
