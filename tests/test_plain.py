"""Plain values become dataclasses only where every field is what it is declared to be."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from anisoalign_core.plain import from_plain


@dataclass(frozen=True)
class Side:
    name: str
    rows: int


@dataclass(frozen=True)
class Whole:
    kind: Literal["row", "id"]
    side: Side
    share: float
    parts: tuple[Side, ...]
    ends: tuple[int, int]
    scores: dict[str, float]
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    other: Any = None


GOOD = {
    "kind": "row",
    "side": {"name": "texts", "rows": 3},
    "share": 1,
    "parts": [{"name": "a", "rows": 1}, {"name": "b", "rows": 2}],
    "ends": [0, 2],
    "scores": {"psi": 0.5},
}


def test_what_json_gives_becomes_what_was_declared():
    found = from_plain(Whole, GOOD)
    assert found == Whole(
        "row", Side("texts", 3), 1.0, (Side("a", 1), Side("b", 2)), (0, 2), {"psi": 0.5}
    )
    assert type(found.share) is float and type(found.parts) is tuple
    assert from_plain(Whole, json.loads(json.dumps(asdict(found)))) == found
    assert from_plain(Whole, GOOD | {"seed": 4, "other": [{}]}).other == [{}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "rows"}, "kind is none of row, id"),
        ({"kind": ["row"]}, "kind is none of row, id"),
        ({"side": "texts"}, "side is not an object"),
        ({"side": {"name": "texts"}}, "side has no rows"),
        ({"side": {"name": "texts", "rows": "3"}}, "rows is not of the type int"),
        ({"side": {"name": "texts", "rows": True}}, "rows is not of the type int"),
        ({"side": {"name": 3, "rows": 3}}, "name is not a text"),
        ({"share": "half"}, "share is not of the type float"),
        ({"share": 2**53}, "share is not of the type float"),
        ({"parts": {"name": "a", "rows": 1}}, "parts is not a list"),
        ({"parts": [3]}, "parts is not an object"),
        ({"ends": [0, 1, 2]}, "ends is not a list of the right length"),
        ({"scores": [0.5]}, "scores is not an object"),
        ({"scores": {"psi": None}}, "scores is not of the type float"),
        ({"seed": 1.5}, "seed is not of the type int"),
        ({"versions": {"numpy": "2\ud800"}}, "versions is not valid text"),
        ({"colour": "red"}, "it has a field that is not known"),
    ],
)
def test_a_field_of_another_type_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        from_plain(Whole, GOOD | change)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="it has no ends"):
        from_plain(Whole, {key: value for key, value in GOOD.items() if key != "ends"})
    with pytest.raises(ValueError, match="it is not an object"):
        from_plain(Whole, [GOOD])
