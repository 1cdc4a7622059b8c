"""Which events an endpoint wants (R18, R19)."""

import pytest

from stockwire.domain.subscriptions import Published, Subscription, matches, wants

EVENT = Published(11, "inventory.out_of_stock", "CCC", "DR globTech")


def subscription(**changed: object) -> Subscription:
    return Subscription("e1", 10, ("inventory.*",))._replace(**changed)


@pytest.mark.parametrize(
    ("pattern", "type_", "matching"),
    [
        ("*", "inventory.out_of_stock", True),
        ("*", "webhook.disabled", True),
        ("inventory.*", "inventory.out_of_stock", True),
        ("inventory.*", "inventoryx.out_of_stock", False),
        ("inventory.*", "reservation.expired", False),
        ("inventory.out_of_stock", "inventory.out_of_stock", True),
        ("inventory.out_of_stock", "inventory.out_of_stock2", False),
        ("inventory.out", "inventory.out_of_stock", False),
    ],
)
def test_patterns(pattern: str, type_: str, matching: bool) -> None:
    assert matches(pattern, type_) is matching


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, True),
        ({"start_position": 11}, False),
        ({"start_position": 12}, False),
        ({"types": ("reservation.*",)}, False),
        ({"types": ("reservation.*", "inventory.out_of_stock")}, True),
        ({"fulfillers": frozenset({"DR globTech"})}, True),
        ({"fulfillers": frozenset({"ACME"})}, False),
        ({"part_numbers": frozenset({"AAA", "CCC"})}, True),
        ({"part_numbers": frozenset({"AAA"})}, False),
        ({"part_numbers": frozenset({"CCC"}), "fulfillers": frozenset({"ACME"})}, False),
    ],
)
def test_wants(changed: dict[str, object], wanted: bool) -> None:
    assert wants(subscription(**changed), EVENT) is wanted


def test_an_event_about_no_item_passes_no_filter_on_items() -> None:
    event = Published(11, "reservation.expired", None, None)
    everything = subscription(types=("*",))
    assert wants(everything, event)
    assert not wants(everything._replace(part_numbers=frozenset({"CCC"})), event)
    assert not wants(everything._replace(fulfillers=frozenset({"ACME"})), event)


def test_a_webhook_is_not_told_about_itself() -> None:
    event = Published(11, "webhook.disabled", None, None, about="e1")
    assert not wants(subscription(types=("*",)), event)
    assert wants(subscription(types=("*",), endpoint_id="e2"), event)
