"""The questions of a labelling interface that people may leave unanswered, and how that is changed.

The XML is changed as text, so that people find their own comments, order and spaces again.
"""

import re
from collections.abc import Collection
from html import unescape

from backend.interface.controls import CONTROLS
from backend.interface.parse import parse
from backend.interface.questions import may_be_empty
from backend.interface.tree import tree_of

TAG = re.compile(
    r"""<!--.*?--> | <!\[CDATA\[.*?\]\]> | <\?.*?\?>
    | <(?P<tag>[^\s/>!?]+) (?P<attributes>(?:[^"'>]|"[^"]*"|'[^']*')*?) (?P<end>\s*/?>)""",
    re.DOTALL | re.VERBOSE,
)
"""What begins with < in well-formed XML without a DTD, but for closing tags."""

ATTRIBUTE = re.compile(r"""(?P<name>[^\s=]+)\s*=\s*(?P<value>"[^"]*"|'[^']*')""")


def optional_controls(xml: str, empty_is_none: bool) -> dict[str, str]:
    """Control tags that are learnt, need an answer and are not required: name -> tag, in the order
    of the XML. Raises UnsupportedConfig."""
    questions = parse(xml).questions
    asked = {
        one.from_name
        for one in questions
        if one.control.may_be_required and not may_be_empty(one.kind, empty_is_none)
    }
    tags = tree_of(xml).iter()
    controls = [tag for tag in tags if tag.tag in CONTROLS and tag.get("name", "") in asked]
    return {
        tag.get("name", ""): tag.tag
        for tag in controls
        if tag.get("required", "").lower() != "true"
    }


def with_required(xml: str, names: Collection[str]) -> str:
    """The same XML with required="true" in the control tags of these names."""

    def changed(found: re.Match[str]) -> str:
        if found["tag"] not in CONTROLS:
            return found[0]
        attributes: str = found["attributes"]
        spans = {one["name"]: one.span("value") for one in ATTRIBUTE.finditer(attributes)}
        begin, end = spans.get("name", (0, 0))
        if unescape(attributes[begin + 1 : end - 1]) not in names:
            return found[0]
        if "required" in spans:
            begin, end = spans["required"]
            attributes = f'{attributes[:begin]}"true"{attributes[end:]}'
        else:
            attributes += ' required="true"'
        return f"<{found['tag']}{attributes}{found['end']}"

    return TAG.sub(changed, xml)
