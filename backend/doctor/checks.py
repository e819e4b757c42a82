"""One check for each thing that makes active learning fail silently in Label Studio."""

from collections.abc import Callable

from backend.doctor import dataset_checks, learning_checks, project_checks, server_checks
from backend.doctor.finding import Finding
from backend.doctor.observation import Observation

Check = Callable[[Observation], Finding | None]

OF_ACCESS: tuple[Check, ...] = (server_checks.server, server_checks.token)
OF_SERVER: tuple[Check, ...] = (
    server_checks.local_backends,
    server_checks.local_webhooks,
    server_checks.host_name,
    server_checks.import_flag,
    server_checks.backend,
)
OF_PROJECT: tuple[Check, ...] = (
    project_checks.connection,
    project_checks.only_backend,
    learning_checks.labelling_interface,
    learning_checks.loop,
    learning_checks.tasks,
    learning_checks.labels,
    project_checks.webhook,
    project_checks.removed_backends,
    project_checks.sampling,
    project_checks.version,
    project_checks.first_tab,
    project_checks.overlap,
    learning_checks.required,
    project_checks.entrance,
)
OF_DATASET: tuple[Check, ...] = (
    dataset_checks.dataset,
    dataset_checks.parts,
    dataset_checks.source,
    dataset_checks.columns,
    dataset_checks.open_tasks,
    dataset_checks.disk,
    dataset_checks.cluster,
)
CHECKS: tuple[Check, ...] = (*OF_ACCESS, *OF_SERVER, *OF_PROJECT)
"""Those of a project without a dataset."""


def findings(seen: Observation) -> list[Finding]:
    """The findings of all checks, in their order, as far as they could be made."""
    checks = CHECKS if seen.project else (*OF_ACCESS, *OF_SERVER)
    if seen.dataset is not None:
        checks = (*checks, *OF_DATASET)
    if seen.unreachable or seen.refused:
        checks = OF_ACCESS
    return [finding for check in checks if (finding := check(seen)) is not None]
