"""What Label Studio 1.23 sends, whole: the start of what the fuzz tests spoil."""

from backend.interface.parse import EXAMPLE
from backend.types import Json
from tests.backend.test_routes import setup_body, task

REGION = {
    "id": "x",
    "from_name": "label",
    "to_name": "text",
    "type": "choices",
    "value": {"choices": ["Yes"]},
}
ANNOTATION = {
    "id": 5,
    "result": [REGION],
    "was_cancelled": False,
    "ground_truth": False,
    "lead_time": 1.5,
    "completed_by": 1,
    "updated_at": "2026-01-01T00:00:00Z",
    "task": 1,
    "prediction": {"model_version": "0.3", "score": 0.5, "result": [REGION]},
}
TASK = {
    **task("yes please"),
    "meta": {},
    "is_labeled": False,
    "inner_id": 1,
    "annotations": [ANNOTATION],
    "project": 7,
}
PREDICT: Json = {
    "tasks": [TASK, task("no thanks", 2)],
    "project": "7.1795306715",
    "label_config": EXAMPLE,
    "params": {"login": None, "password": None, "context": None},
}
PROJECT = {
    "id": 7,
    "title": "p",
    "label_config": EXAMPLE,
    "parsed_label_config": {"label": {"type": "Choices", "labels": ["Yes", "No"]}},
    "model_version": "0.3",
    "sampling": "Uncertainty sampling",
    "num_tasks_with_annotations": 3,
    "token": "t",
}
CREATED: Json = {
    "action": "ANNOTATION_CREATED",
    "annotation": ANNOTATION,
    "task": TASK,
    "project": PROJECT,
}
PAYLOADS: list[tuple[str, Json]] = [
    ("/setup", setup_body()),
    ("/predict", PREDICT),
    ("/webhook", CREATED),
    ("/webhook", {"action": "PROJECT_UPDATED", "project": PROJECT}),
    ("/webhook", {"action": "START_TRAINING", "project": {"id": 7}}),
    ("/webhook", {"action": "TASKS_DELETED", "tasks": [{"id": 1}], "project": PROJECT}),
    ("/versions", {"project": "7.1795306715"}),
]
