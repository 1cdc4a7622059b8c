"""What a batch has to load: everything that its commands name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stockwire.domain import commands
from stockwire.domain.commands import Command, ItemRef


class Needs:
    """Names of what the commands of a batch are about."""

    def __init__(self) -> None:
        self.parts: set[str] = set()
        self.ids: set[str] = set()
        self.products: set[str] = set()
        self.references: set[str] = set()
        self.reservations: set[str] = set()
        self.orders: set[str] = set()
        self.endpoints = False
        self.due = 0  # reservations to end for their own sake, at most

    def add(self, command: Command) -> None:
        """Everything that one command names."""
        _NAMES[type(command)](self, command)

    def item(self, ref: ItemRef) -> None:
        """An item, however it is named."""
        if ref.item_id is not None:
            self.ids.add(ref.item_id)
        elif ref.part_number is not None:
            self.parts.add(ref.part_number)
        elif ref.product_id is not None:
            self.products.add(ref.product_id)
        elif ref.external_reference_id is not None:
            self.references.add(ref.external_reference_id)

    def lines(self, lines: Iterable[commands.Line | commands.OrderUnits] | None) -> None:
        """The items of lines."""
        for line in lines or ():
            self.item(line.item)

    def rows(self, rows: Iterable[Any]) -> None:
        """The items of the rows that were right by themselves."""
        for row in rows:
            if isinstance(row, commands.Change):
                self.item(row.item)
            elif isinstance(row, commands.CreateItem):
                self.parts.add(row.part_number)

    def order(self, command: commands.PlaceOrder) -> None:
        """An order's own id, its reservation and its lines."""
        self.orders.add(command.id)
        if command.reservation_id is not None:
            self.reservations.add(command.reservation_id)
        self.lines(command.lines)

    def reserve(self, command: commands.Reserve) -> None:
        """A reservation's own id and its lines."""
        self.reservations.add(command.id)
        self.lines(command.lines)

    def units(self, command: commands.Ship | commands.Cancel | commands.Return) -> None:
        """An order and lines of it."""
        self.orders.add(command.order_id)
        self.lines(command.lines)

    def subscription(self, _command: Command) -> None:
        """Every endpoint: they are few, and a new one is compared with all."""
        self.endpoints = True

    def expiry(self, command: commands.ExpireDue) -> None:
        """The reservations that are due first."""
        self.due = max(self.due, command.limit)


_NAMES: dict[type, Callable[[Needs, Any], None]] = {
    commands.Change: lambda needs, c: needs.item(c.item),
    commands.Changes: lambda needs, c: needs.rows(c.rows),
    commands.Reserve: Needs.reserve,
    commands.Extend: lambda needs, c: needs.reservations.add(c.reservation_id),
    commands.Release: lambda needs, c: needs.reservations.add(c.reservation_id),
    commands.ExpireDue: Needs.expiry,
    commands.PlaceOrder: Needs.order,
    commands.Ship: Needs.units,
    commands.Cancel: Needs.units,
    commands.Return: Needs.units,
    commands.CreateItem: lambda needs, c: needs.parts.add(c.part_number),
    commands.CreateItems: lambda needs, c: needs.rows(c.rows),
    commands.PatchItem: lambda needs, c: needs.ids.add(c.item_id),
    commands.DeleteItem: lambda needs, c: needs.ids.add(c.item_id),
    commands.CreateEndpoint: Needs.subscription,
    commands.PatchEndpoint: Needs.subscription,
    commands.DeleteEndpoint: Needs.subscription,
    commands.DisableEndpoint: Needs.subscription,
    commands.RotateSecret: Needs.subscription,
    commands.RevealSecrets: Needs.subscription,
}
