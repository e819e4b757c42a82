"""Takes back what the backend made in a project of Label Studio. Annotations and tasks stay."""

from collections.abc import Iterator, Sequence

from backend.queue.listing import same_address
from backend.queue.publish import SAMPLING
from backend.queue.tabs import is_sure_version, remove_tabs
from backend.queue.webhook import webhook_url
from backend.studio.project import StudioProject


def disconnect(studio: StudioProject, url: str) -> Iterator[str]:
    """Delete the backend at this address from the project's list, so that it lets go. Yields a line
    for each one."""
    for row in studio.backends():
        if same_address(row["url"], url):
            studio.disconnect_backend(row["id"])
            yield f"deleted the backend at {row['url']} from Settings > Model"


def restore_settings(studio: StudioProject, sampling: str) -> Iterator[str]:
    """Give the queue this sampling mode, and no version. The webhook of this change makes the
    backend notice that it is no longer listed."""
    if studio.describe()["sampling"] == SAMPLING:
        studio.update(sampling=sampling, model_version="")
        yield f'set the sampling mode to "{sampling}"'


def remove_webhooks(studio: StudioProject, url: str) -> Iterator[str]:
    for row in studio.webhooks():
        if same_address(row["url"], webhook_url(url)):
            studio.delete_webhook(row["id"])
            yield f"deleted the webhook to {row['url']}"


def reset_tabs(studio: StudioProject) -> Iterator[str]:
    for title in remove_tabs(studio):
        yield f'reset the Data Manager tab "{title}"'


def remove_predictions(studio: StudioProject, versions: Sequence[str]) -> Iterator[str]:
    """Delete the predictions of these versions, and those of which some version was sure, as far as
    Label Studio holds any."""
    ours = set(versions)
    there = [name for name in studio.model_versions() if name in ours or is_sure_version(name)]
    for name in there:
        studio.delete_model_version(name)
    if there:
        yield f"deleted the predictions of {len(there)} versions"
