"""The XML of a labelling interface as a tree, with attributes as Label Studio's pages take them."""

from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import UnsupportedConfig

READ = (
    "allowNested",
    "apiUrl",
    "indexFlag",
    "leafsOnly",
    "maxRating",
    "nameKey",
    "perItem",
    "perRegion",
    "textKey",
    "toName",
    "valueList",
    "valueType",
    "visibleWhen",
    "whenChoiceValue",
    "whenTagName",
)
SPELT = {name.lower(): name for name in READ}
"""The attributes that are read, however they are spelt: Label Studio's pages take `perregion` for
`perRegion`."""
DEEPEST = 100
"""Levels of tags, which are read by functions that call themselves."""


def tree_of(xml: str) -> Element:
    """The root of a labelling interface. Raises UnsupportedConfig for what is no XML, and for what
    is nested too deep."""
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UnsupportedConfig("The labelling interface is not valid XML", f"{error}.") from None
    if _is_deeper(root, DEEPEST):
        raise UnsupportedConfig(
            f"Tags of the labelling interface are nested more than {DEEPEST} deep",
            "Take out the tags that only wrap others.",
        )
    for element in root.iter():
        for name in element.attrib.keys() - SPELT.values():
            if name.lower() in SPELT:
                element.set(SPELT[name.lower()], element.attrib.pop(name))
    return root


def _is_deeper(root: Element, levels: int) -> bool:
    """Whether there are more levels of tags. Level by level: a walk down would end at Python's
    own limit."""
    level = [root]
    for _ in range(levels):
        level = [child for element in level for child in element]
    return bool(level)
