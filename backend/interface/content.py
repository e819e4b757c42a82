"""What a task shows: its text, and the addresses of its pictures, clips and sounds."""

import json
from collections.abc import Mapping

import lxml.etree
import lxml.html

from backend.interface.questions import MEDIA, LabelConfig, Source
from backend.interface.values import decoded, filled, repeated, text_of
from model.storage.vectors import content_key

Parts = tuple[str | None, ...]
"""In the order of the config's layout: the text, or the address of a picture, clip or sound; None
if the task has none."""


def parts_of(data: object, config: LabelConfig) -> Parts | None:
    """What to read from a task's data; None if there is nothing.

    All texts are joined, one per line. Numbers, booleans and lists count as text, as on Label
    Studio's pages. HTML is reduced to its words.
    """
    if not isinstance(data, Mapping):
        return None
    values = [(source, _value(data, source)) for source in config.sources]
    texts = [value for source, value in values if source.kind in ("text", "html")]
    text = "\n".join(filter(None, texts)) or None
    media = [value for source, value in values if source.kind not in ("text", "html")]
    parts = ([text] if texts else []) + media
    return tuple(parts) if any(part is not None for part in parts) else None


def key_of(parts: Parts) -> int:
    """The content key, equal for tasks that show the same."""
    (first, *others) = parts
    if not others and first is not None:
        return content_key(first)
    return content_key(json.dumps(parts))


def _value(data: Mapping[str, object], source: Source) -> str | None:
    if source.repeat is not None:
        items = repeated(source.value, source.repeat, data)
        return "\n".join(filter(None, (_text(item, source) for item in items))) or None
    value = filled(source.value, data)
    if source.kind in MEDIA:
        return (value.strip() or None) if isinstance(value, str) else None
    return _text(value, source)


def _text(value: object, source: Source) -> str | None:
    shown = text_of(value)
    shown = None if shown is None else decoded(shown, source.encoding)
    if shown is None or not shown.strip():
        return None
    if source.kind == "tokens":
        return shown
    words = _without_tags(shown) if source.kind == "html" else shown
    return " ".join(words.split()) or None


def _without_tags(html: str) -> str:
    # Bytes, because a str that declares an encoding (as XHTML does) or contains half a character
    # is refused or cut; huge_tree, because deep or long pages would otherwise have no text at all.
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        tree = lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except lxml.etree.ParserError:  # only whitespace and comments
        return ""
    lxml.etree.strip_elements(tree, "script", "style", with_tail=False)
    return " ".join(str(piece) for piece in tree.itertext())
