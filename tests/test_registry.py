from __future__ import annotations

import pytest

from cartwheel.errors import UsageError
from cartwheel.registry import Registry


def animals() -> Registry[int]:
    registry: Registry[int] = Registry("animal")
    registry.register("zebra", 1)
    registry.register("ape", 2)
    return registry


def test_gives_what_was_registered_in_the_order_it_came() -> None:
    registry = animals()
    assert registry["zebra"] == 1
    assert list(registry) == ["zebra", "ape"]
    assert list(registry.items()) == [("zebra", 1), ("ape", 2)]
    assert len(registry) == 2


def test_register_hands_back_the_thing() -> None:
    thing = object()
    assert Registry[object]("x").register("thing", thing) is thing


def test_contains() -> None:
    registry = animals()
    assert "ape" in registry
    assert "apes" not in registry
    assert 3 not in registry  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zebr", "unknown animal 'zebr'; did you mean 'zebra'?"),
        ("fish", "unknown animal 'fish'; known are: ape, zebra"),
    ],
)
def test_an_unknown_name_is_an_error_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        animals()[name]
    assert str(caught.value) == message


def test_a_name_is_given_once() -> None:
    registry = animals()
    with pytest.raises(UsageError, match="animal 'ape' is registered already"):
        registry.register("ape", 3)
    assert registry["ape"] == 2


def test_get_gives_the_default_as_any_mapping_does() -> None:
    assert animals().get("fish") is None
    assert animals().get("fish", 5) == 5
