"""What is in release-0.1.tar.gz: a server's folder with its encoder, and MODEL_DIR beside it."""

import random
import tarfile
from pathlib import Path

from backend.types import Json

ARCHIVE = Path(__file__).with_name("release-0.1.tar.gz")
PROJECT = "1"
WORDS = {
    "sports": "match goal team player coach league season stadium striker cup",
    "food": "soup bread recipe oven pepper kitchen onion butter salad pastry",
    "weather": "rain storm cloud sunny frost wind thunder snow forecast fog",
}
TOPICS = tuple(WORDS)
COMMON = "the a in of on and was very today again"
CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="topic" toName="text" choice="single">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + "</Choices></View>"
)
SETTINGS: dict[str, object] = {
    "encoder": "encoder",  # in the folder in which the server is started
    "max_tokens": 16,
    "audit_share": 0.2,
    "deep_round_first": 20,
    "deep_round_growth": 1.0,
    "shortlist": 10,
    "poll_seconds": 5,
    "log_level": "DEBUG",
}
"""Of the server that wrote it."""


def texts() -> list[Json]:
    """The data of the project's forty tasks, in their order."""
    draw = random.Random(0)
    tasks = []
    for topic in draw.choices(TOPICS, k=40):
        words = draw.sample(WORDS[topic].split(), 4) + draw.sample(COMMON.split(), 4)
        tasks.append({"text": " ".join(draw.sample(words, 8)).capitalize(), "topic": topic})
    return tasks


def unpack(folder: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
