"""Labelling config (XML) -> what to learn; refuses the rest and says what to write instead."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig

EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" required="true">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)
ADVICE = f"Supported: one <Choices> over one <Text> or <HyperText>, for example {EXAMPLE}"
TEXT_TAGS = ("Text", "HyperText")
CONDITIONS = ("perRegion", "perItem", "whenTagName")
DATA_KEY = re.compile(r"\$([^\s$]+)")


@dataclass(frozen=True)
class LabelConfig:
    """What the project asks: which labels, of which text.

    `labels` are the values that Label Studio stores: a choice's alias where it has one.
    """

    from_name: str
    to_name: str
    kind: Literal["single", "multiple"]
    labels: tuple[str, ...]
    data_key: str
    is_html: bool


def parse(xml: str) -> LabelConfig:
    """Read a labelling config. Raises UnsupportedConfig when there is nothing here to learn."""
    root = _tree(xml)
    controls = list(root.iter("Choices"))
    if not controls:
        found = ", ".join(sorted({f"<{element.tag}>" for element in root.iter()})) or "nothing"
        raise UnsupportedConfig(
            "No Choices tag found in the labelling interface", f"Found: {found}. {ADVICE}"
        )
    if len(controls) > 1:
        names = ", ".join(control.get("name", "?") for control in controls)
        raise UnsupportedConfig(
            f"{len(controls)} Choices tags found, one is supported", f"Found: {names}. {ADVICE}"
        )
    return _from_control(root, controls[0])


def _from_control(root: Element, control: Element) -> LabelConfig:
    name = control.get("name", "")
    conditional = [flag for flag in CONDITIONS if control.get(flag, "false") != "false"]
    if conditional:
        raise UnsupportedConfig(
            f"Choices '{name}' is conditional ({conditional[0]})",
            f"Only a question asked of every task can be learnt. {ADVICE}",
        )
    target = _target(root, control)
    labels = tuple(
        choice.get("alias") or choice.get("value") or "" for choice in control.iter("Choice")
    )
    if any(not label for label in labels) or len(set(labels)) < 2:
        raise UnsupportedConfig(
            f"Choices '{name}' needs two or more choices with a value",
            f"Found: {', '.join(labels) or 'none'}. {ADVICE}",
        )
    if len(set(labels)) != len(labels):
        twice = Counter(labels).most_common(1)[0][0]
        raise UnsupportedConfig(
            f"Choices '{name}' has the choice '{twice}' twice",
            "Give each <Choice> a value (or alias) of its own.",
        )
    key = DATA_KEY.fullmatch((target.get("value") or "").strip())
    if key is None:
        raise UnsupportedConfig(
            f"<{target.tag}> '{target.get('name')}' names no data key",
            f"Its value must be a $ and a key of the task data. {ADVICE}",
        )
    return LabelConfig(
        from_name=name,
        to_name=target.get("name", ""),
        kind="multiple" if control.get("choice", "single").startswith("multiple") else "single",
        labels=labels,
        data_key=key[1],
        is_html=target.tag == "HyperText",
    )


def _target(root: Element, control: Element) -> Element:
    wanted = control.get("toName", "")
    for element in root.iter():
        if element.get("name") == wanted and element is not control:
            if element.tag not in TEXT_TAGS:
                raise UnsupportedConfig(
                    f"<{element.tag}> is not supported, only Text and HyperText",
                    f"Choices '{control.get('name')}' points at it. {ADVICE}",
                )
            if element.get("valueType", "text") == "url":
                raise UnsupportedConfig(
                    f"<{element.tag} valueType=url> is not supported",
                    f"The text must stand in the task itself. {ADVICE}",
                )
            return element
    raise UnsupportedConfig(
        f"Choices '{control.get('name')}' points at no tag named '{wanted}'", ADVICE
    )


def _tree(xml: str) -> Element:
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UnsupportedConfig("The labelling interface is not valid XML", f"{error}.") from None
    return root
