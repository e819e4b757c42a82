"""The model class that label-studio-ml expects, with predict and fit."""

import inspect
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.project.service import Service, project_id
from backend.queue.webhook import SECRET_HEADER
from backend.types import Json

SECOND_GENERATION = "project_id" in inspect.signature(LabelStudioMLBase.__init__).parameters
"""Whether label-studio-ml is 2.x, and not 1.0.9."""


class ActiveLearningBackend(LabelStudioMLBase):  # type: ignore[misc]
    """Translates between label-studio-ml's calls and the project's loop; holds no state of its own.

    A subclass says of which service: label-studio-ml's server makes one of backend.web.hosted for
    each request. Our own server needs none, and with it neither label-studio-ml nor what that
    loads: 1.0.9 loads torch.
    """

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
        if not self._project:
            return
        version = self._service().version_of(project_id(self._project))
        if self.get("model_version") != version:
            self.set("model_version", version)

    def predict(self, tasks: list[Json], context: Json | None = None, **kwargs: Any) -> list[Json]:
        """One `{"result", "score", "model_version"}` per task, in the tasks' order.

        Scores are in [0.5, 1]: lower ones belong to the shortlist that a round wrote.
        Raises UnknownProject when the project is not connected, BadRequest without a project.
        """
        if not tasks:
            return []
        return self._service().predict(project_id(self._project), tasks)

    def fit(self, event: str, data: Json, **kwargs: Any) -> Json:
        """Handle a webhook event of Label Studio: notify the project's loop and return at once.

        Raises UnknownProject when the project is not connected, BadRequest without a project or
        with the secret of another one.
        """
        project = project_id(self._project)
        self._service().notify(project, event, data, data.get(SECRET_HEADER))
        return {"model_version": self._service().version_of(project)}

    def _service(self) -> Service:
        raise NotImplementedError
