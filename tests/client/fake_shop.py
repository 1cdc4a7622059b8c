"""A shop in memory that answers like a Stockwire server: just enough for a replay, and slow at random."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from stockwire.client import ApiError, Change, Fault, Item, Level, Line, NewItem, Order, Reservation
from stockwire.client.errors import ErrorBody
from stockwire.client.shapes import BatchAnswer, Changed, HeldLine, OrderLine, Row


class FakeShop:
    """`items`, `orders`, `reservations` and `changes` are all this object: the methods' names do not collide."""

    def __init__(self) -> None:
        self.items = _Items(self)
        self.orders = _Orders(self)
        self.reservations = _Reservations(self)
        self.changes = _Changes(self)
        self.on_hand: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.allocated: Counter[str] = Counter()
        self.known: set[str] = set()
        self.calls: list[str] = []
        self.at_once = self.most_at_once = 0

    async def travel(self, call: str) -> None:
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(random.random() / 2000)
        self.at_once -= 1

    def take(self, items: Sequence[Line], where: Counter[str]) -> list[OrderLine]:
        wanted: Counter[str] = Counter()
        for line in items:
            wanted[line.part_number or ""] += line.quantity
        free = {part: self.on_hand[part] - self.held[part] - self.allocated[part] for part in wanted}
        short = [
            place for place, line in enumerate(items) if wanted[line.part_number or ""] > free[line.part_number or ""]
        ]
        if short:
            faults = tuple(Fault("out_of_inventory", f"items[{place}].quantity", "short") for place in short)
            raise ApiError(409, "conflict", faults)
        where.update(wanted)
        return [OrderLine(inventory_item_id=part, part_number=part, quantity=units) for part, units in wanted.items()]

    def level(self, part: str) -> Level:
        free = self.on_hand[part] - self.held[part] - self.allocated[part]
        assert free >= 0, "oversold"
        return Level(
            inventory_item_id=part, on_hand=self.on_hand[part], allocated=self.allocated[part], available_quantity=free
        )


class _Items:
    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop

    async def create_many(self, items: Sequence[NewItem]) -> BatchAnswer:
        await self._shop.travel(f"create {len(items)}")
        return BatchAnswer(results=[self._create(item) for item in items])

    def _create(self, item: NewItem) -> Row:
        part = item.part_number
        if part in self._shop.known:
            return Row(status="refused", error=ErrorBody(type="conflict", errors=[{"code": "already_exists"}]))
        self._shop.known.add(part)
        self._shop.on_hand[part] = item.quantity or 0
        made = Item(id=part, part_number=part, fulfiller="F", on_hand=item.quantity or 0)
        return Row(status="applied", item=made)


class _Orders:
    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop
        self.placed: dict[str, Order] = {}

    async def create(
        self,
        items: Sequence[Line] = (),
        *,
        order_id: str,
        reservation_id: str | None = None,
        reference: str | None = None,
    ) -> Order:
        await self._shop.travel(f"order {order_id}")
        assert order_id not in self.placed
        if reservation_id:
            lines = self._shop.reservations.made.pop(reservation_id)
            for line in lines:
                self._shop.held[line.part_number] -= line.quantity
                self._shop.allocated[line.part_number] += line.quantity
        else:
            lines = self._shop.take(items, self._shop.allocated)
        return self._keep(Order(id=order_id, status="allocated", items=lines))

    async def ship(self, order_id: str, items: Sequence[Line] | None = None) -> Order:
        await self._shop.travel(f"ship {order_id}")
        order = self.placed[order_id]
        asked = {line.inventory_item_id: line.quantity for line in items or ()}
        for line in order.items:
            open_units = line.quantity - line.shipped - line.cancelled
            units = open_units if items is None else asked.get(line.inventory_item_id, 0)
            assert units <= open_units
            line.shipped += units
            self._shop.on_hand[line.part_number] -= units
            self._shop.allocated[line.part_number] -= units
        return self._keep(order)

    async def cancel(self, order_id: str, items: Sequence[Line]) -> Order:
        await self._shop.travel(f"cancel {order_id}")
        order = self.placed[order_id]
        for line, units in self._named(order, items):
            assert units <= line.quantity - line.shipped - line.cancelled
            line.cancelled += units
            self._shop.allocated[line.part_number] -= units
        return self._keep(order)

    async def take_back(self, order_id: str, items: Sequence[Line]) -> Order:
        await self._shop.travel(f"return {order_id}")
        order = self.placed[order_id]
        for line, units in self._named(order, items):
            assert units <= line.shipped - line.returned
            line.returned += units
            self._shop.on_hand[line.part_number] += units
        return self._keep(order)

    def _named(self, order: Order, items: Sequence[Line]) -> list[tuple[OrderLine, int]]:
        lines = {line.inventory_item_id: line for line in order.items}
        return [(lines[asked.inventory_item_id or ""], asked.quantity) for asked in items]

    def _keep(self, order: Order) -> Order:
        self.placed[order.id] = order
        return order


class _Reservations:
    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop
        self.made: dict[str, list[OrderLine]] = {}

    async def create(self, items: Sequence[Line], *, reservation_id: str, reference: str | None = None) -> Reservation:
        await self._shop.travel(f"hold {reservation_id}")
        lines = self._shop.take(items, self._shop.held)
        self.made[reservation_id] = lines
        held = [HeldLine(inventory_item_id=line.inventory_item_id, quantity=line.quantity) for line in lines]
        return Reservation(id=reservation_id, status="reserved", items=held)


class _Changes:
    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop

    async def apply(self, change: Change) -> Changed:
        await self._shop.travel(f"{change.type} {change.part_number}")
        part, delta = change.part_number or "", change.delta or 0
        if self._shop.on_hand[part] + delta < self._shop.held[part] + self._shop.allocated[part]:
            raise ApiError(409, "conflict", (Fault("below_promised", "delta", "promised"),))
        self._shop.on_hand[part] += delta
        return Changed(status="applied", level=self._shop.level(part))

    async def batch(self, changes: Sequence[Change]) -> BatchAnswer:
        await self._shop.travel(f"batch {len(changes)}")
        rows = []
        for change in changes:
            assert change.type == "receive"
            self._shop.on_hand[change.part_number or ""] += change.quantity or 0
            rows.append(Row(status="applied", level=self._shop.level(change.part_number or "")))
        return BatchAnswer(results=rows)
