"""The model class that label-studio-ml expects, with predict and fit."""

import inspect
from typing import Any, ClassVar

from label_studio_ml.model import LabelStudioMLBase

from backend.project.service import Service, default_service, project_id
from backend.queue.webhook import SECRET_HEADER
from backend.types import Json

SECOND_GENERATION = "project_id" in inspect.signature(LabelStudioMLBase.__init__).parameters


class ActiveLearningBackend(LabelStudioMLBase):  # type: ignore[misc]
    """Translates between Label Studio's calls and the project's loop; holds no state of its own.

    Works with both generations of label-studio-ml. 1.0.9 creates it with `(label_config,
    train_output)` and calls `predict(tasks)` and `fit((), event=..., data=...)`; 2.x creates it for
    each request with `(project_id, label_config)` and calls `predict(tasks, context)` and
    `fit(event, data)`.
    """

    service: ClassVar[Service | None] = None
    """Set by `bound_to`; under label-studio-ml's own server, created from the environment at the
    first use."""

    def __init__(
        self, project_id: str | None = None, label_config: str | None = None, **kwargs: Any
    ) -> None:
        # Before the base class: 2.x calls setup() from its constructor.
        self._project = project_id
        if SECOND_GENERATION:
            super().__init__(project_id=project_id, label_config=label_config)
        else:
            super().__init__(label_config=label_config, **kwargs)

    def setup(self) -> None:
        """Called by 2.x: store our version in its cache, as a string."""
        if self._project:
            self.set("model_version", self._service().version_of(project_id(self._project)))

    def predict(self, tasks: list[Json], context: Json | None = None, **kwargs: Any) -> list[Json]:
        """One `{"result", "score", "model_version"}` per task, in the tasks' order.

        Scores are in [0.5, 1]: lower ones belong to the shortlist that a round wrote.
        Raises UnknownProject when the project is not connected.
        """
        if not tasks:
            return []
        project = project_id(self._project or tasks[0].get("project"))
        return self._service().predict(project, tasks)

    def fit(self, *args: Any, **kwargs: Any) -> Json:
        """Handle a webhook event of Label Studio: notify the project's loop and return at once.

        2.x calls `fit(event, data)`, 1.0.9 calls `fit((), event=..., data=...)`.
        Raises UnknownProject when the project is not connected, BadRequest without a project.
        """
        event = kwargs.get("event") or next((arg for arg in args if isinstance(arg, str)), "")
        data = kwargs.get("data") or next((arg for arg in args if isinstance(arg, dict)), {})
        project = project_id(self._project or data.get("project"))
        self._service().notify(project, event, data, data.get(SECRET_HEADER))
        return {"model_version": self._service().version_of(project)}

    def _service(self) -> Service:
        service = type(self).service
        if service is None:
            service = type(self).service = default_service()
        return service


def bound_to(service: Service) -> type[ActiveLearningBackend]:
    """The plugin class bound to the service of one application."""
    return type("ActiveLearningBackend", (ActiveLearningBackend,), {"service": service})
