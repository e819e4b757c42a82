"""<Chat>: the messages of a conversation so far. People may write more, which is no question that
can be learnt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from backend.interface.objects.object_tag import MOST_ENTRIES, ObjectTag, lines, words_in


@dataclass(frozen=True)
class Chat(ObjectTag):
    """A list of messages with a `role` and a `content`, which may be a list of pieces that have a
    `text`. A line of what is read is "role: content"."""

    tag = "Chat"
    kind = "chat"
    instead = '<Paragraphs nameKey="role" textKey="content">'

    def read(self, value: object) -> str | None:
        return lines(_messages(value)) if isinstance(value, list) else None


def _messages(items: list[object]) -> Iterator[str]:
    for item in islice(items, MOST_ENTRIES):
        if isinstance(item, Mapping):
            role, content = words_in(item.get("role")), words_in(_content(item.get("content")))
            yield f"{role}: {content}" if role and content else content


def _content(content: object) -> object:
    """Of a list of pieces their texts."""
    if not isinstance(content, list):
        return content
    return [piece.get("text") if isinstance(piece, Mapping) else piece for piece in content]
