"""What the fuzz tests draw from: JSON of any shape, and real payloads with parts of them spoilt.

FUZZ_FACTOR=20 in the environment tries 20 times as many inputs, FUZZ_FACTOR=0.1 a tenth.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FACTOR = float(os.environ.get("FUZZ_FACTOR", "1"))

CHARACTERS = st.characters(exclude_categories=())  # halves of a character and NUL among them
WORDS = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "\ud83d",
        "é",
        "\uff11",
        "NaN",
        "-1",
        "true",
        "../1",
        "7",
        "http://[",
        "😀",
    ]
)
STRINGS = WORDS | st.text(CHARACTERS, max_size=20)
FINITE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 7, 2**31, 2**63, 2**64, 10**400, 1e308, -0.0, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS
)
NUMBERS_OF_NO_JSON = st.sampled_from([float("nan"), float("inf"), float("-inf")])


def nested(depth: int) -> Any:
    """Lists in lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def json_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
        max_leaves=6,
    ) | st.builds(nested, st.sampled_from([50, 300]))


STORABLE = json_of(FINITE)
"""What Label Studio's databases hold: they refuse NaN and infinities."""

JSON = json_of(FINITE | NUMBERS_OF_NO_JSON)


@st.composite
def spoilt(draw: st.DrawFn, payload: object, values: st.SearchStrategy[Any] = JSON) -> Any:
    """The payload with up to three of its parts replaced by any JSON, left out or doubled."""
    changed = deepcopy(payload)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            return draw(values)
        holder, place = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        if how == "replace":
            holder[place] = draw(values)
        elif how == "remove":
            del holder[place]
        elif isinstance(holder, list):
            holder.append(deepcopy(holder[place]))
        else:
            holder[draw(STRINGS)] = deepcopy(holder[place])
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (object or list, key or number) of a JSON value."""
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value)):
            yield value, place
            yield from _places(value[place])


def as_sent(value: Any) -> Any:
    """The value after a journey as JSON: tuples become lists, keys become text."""
    return json.loads(json.dumps(value))


def many(examples: int) -> settings:
    return settings(
        max_examples=max(1, round(examples * FACTOR)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def report(request: pytest.FixtureRequest, tried: Counter[str]) -> None:
    """Print how many inputs were tried, also when pytest captures what tests print."""
    each = ", ".join(f"{name} {count:,}" for name, count in tried.items())
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\nfuzz: {tried.total():,} inputs ({each})")
