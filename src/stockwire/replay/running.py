"""Carrying a plan out through the public API, many steps at once.

Steps start in the plan's order. Two steps of one order never overlap, so goods do not come back before they were sold;
everything else may.
"""

import asyncio
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from stockwire.client import ApiError, Change, Line, NewItem, Order, Product, Stockwire
from stockwire.client.shapes import OrderLine
from stockwire.replay.journal import Held, Journal, Opened, Received, Refused, WrittenOff, ordered
from stockwire.replay.planning import Plan, Receive, Sell, Ship, Step, TakeBack, Units, WriteOff

T = TypeVar("T")
ROWS_A_REQUEST = 1000
CURRENCY = "GBP"
_LINE = re.compile(r"items\[(\d+)\]")
PREFIX = re.compile(r"[A-Za-z0-9_.-]{0,20}")


class PartsExistError(Exception):
    """Parts of the plan are in the store already; a replay on top of them could not be reconciled."""


class Replay:
    """One plan on one store. `tally` counts what happened, in words.

    `prefix` stands before every part number, order and reservation; with several `fulfillers` each part's stock is
    spread over them. `speed` is how much faster than life (0: as fast as possible).
    """

    def __init__(
        self,
        shop: Stockwire,
        plan: Plan,
        journal: Journal,
        *,
        prefix: str = "",
        fulfillers: Sequence[str] = (),
        concurrency: int = 64,
        speed: float = 0.0,
    ) -> None:
        if not PREFIX.fullmatch(prefix):
            raise ValueError("a prefix is at most 20 letters, digits, '-', '_' and '.'")
        self._shop = shop
        self._plan = plan
        self._journal = journal
        self._prefix = prefix
        self._fulfillers: Sequence[str | None] = fulfillers or (None,)
        self._concurrency = concurrency
        self._speed = speed
        self._orders: dict[str, Order] = {}
        self.tally: Counter[str] = Counter()

    async def stock_up(self, done: Callable[[int], None] = lambda units: None) -> None:
        """Make the catalogue with its opening stock; `done` is told the number of items of each request."""
        for rows in _batches(list(self._catalogue()), ROWS_A_REQUEST):
            answer = await self._shop.items.create_many(rows)
            exist = sum(1 for row in answer.results if row.error and row.error.has("already_exists"))
            if exist:
                raise PartsExistError(f"{exist} of these parts are in the store already; give another prefix")
            for asked, row in zip(rows, answer.results, strict=True):
                if row.item is None:
                    raise ApiError(200, "conflict", ())
                self._journal.note(Opened(row.item.id, asked.part_number, row.item.on_hand))
            self.tally["items"] += len(rows)
            done(len(rows))

    def _catalogue(self) -> Iterator[NewItem]:
        for part, units in self._plan.opening.items():
            name = self._prefix + part
            about = {"description": self._plan.descriptions[part][:500]} if self._plan.descriptions[part] else {}
            for fulfiller, share in zip(self._fulfillers, _shares(units, len(self._fulfillers)), strict=True):
                yield NewItem(
                    part_number=name,
                    fulfiller=fulfiller,
                    quantity=share,
                    products=[Product(product_id=name)],
                    metadata=about,
                )

    async def run(self, done: Callable[[Step], None] = lambda step: None) -> None:
        """Carry out every step; `done` is told of each that is through.

        Raises `ApiError` if the server stays away, `PartsExistError` if an order of this prefix is there already.
        """
        try:
            await self._all(done)
        except ExceptionGroup as many:
            raise many.exceptions[0] from None  # the first says why; the others were cancelled with it

    async def _all(self, done: Callable[[Step], None]) -> None:
        slots = asyncio.Semaphore(self._concurrency)
        latest: dict[str, asyncio.Task[None]] = {}
        pace = _Pace(self._speed)
        async with asyncio.TaskGroup() as group:
            for step in self._plan.steps:
                await pace.until(step.at)
                await slots.acquire()
                order = getattr(step, "invoice", "")
                # The step before it of the same order has started already, so waiting for it cannot block for ever.
                work = self._after(latest.get(order) if order else None, step, slots, done)
                latest[order] = group.create_task(work)

    async def _after(
        self, earlier: asyncio.Task[None] | None, step: Step, slots: asyncio.Semaphore, done: Callable[[Step], None]
    ) -> None:
        try:
            if earlier is not None:
                await earlier
            await self._carry_out(step)
            done(step)
        finally:
            slots.release()

    def _carry_out(self, step: Step) -> Coroutine[Any, Any, None]:
        match step:
            case Sell():
                return self._sell(step)
            case Ship():
                return self._ship(step)
            case TakeBack():
                return self._take_back(step)
            case Receive():
                return self._receive(step)
            case WriteOff():
                return self._write_off(step)

    async def _sell(self, sell: Sell) -> None:
        """Order; whatever is short is left out and the rest ordered again under a new id, as a shopper would."""
        self.tally["orders wanted"] += 1
        lines, tries = sell.lines, 0
        while lines:
            tries += 1
            name = self._prefix + sell.invoice + (f"-{tries}" if tries > 1 else "")
            try:
                order = await (self._order_held if sell.guest else self._order)(name, sell.invoice, lines)
            except ApiError as refused:
                lines = self._without_short(refused, name, lines)
                self.tally["orders refused"] += tries == 1
                continue
            self._keep(sell.invoice, order)
            self.tally["orders taken whole" if tries == 1 else "orders taken without short lines"] += 1
            return
        self.tally["orders not taken"] += 1

    async def _order(self, name: str, invoice: str, lines: Sequence[Units]) -> Order:
        return await self._shop.orders.create(self._lines(lines, True), order_id=name, reference=invoice)

    async def _order_held(self, name: str, invoice: str, lines: Sequence[Units]) -> Order:
        held = await self._shop.reservations.create(self._lines(lines, False), reservation_id=name, reference=invoice)
        self._journal.note(Held(held.id, sum(line.quantity for line in held.items)))
        self.tally["baskets held"] += 1
        return await self._shop.orders.create(order_id=name, reservation_id=held.id, reference=invoice)

    def _lines(self, lines: Sequence[Units], priced: bool) -> list[Line]:
        return [
            Line(
                part_number=self._prefix + part,
                quantity=units,
                unit_price=price if price and priced else None,
                currency=CURRENCY if price and priced else None,
            )
            for part, units, price in lines
        ]

    def _without_short(self, refused: ApiError, name: str, lines: Sequence[Units]) -> tuple[Units, ...]:
        """The lines that were not refused; anything but a clean "out of inventory" is raised again."""
        faults = [fault for fault in refused.errors if fault.code == "out_of_inventory"]
        places = [int(found[1]) for fault in faults if (found := _LINE.match(fault.parameter or ""))]
        if refused.has("already_exists"):
            raise PartsExistError(f"the order {name} is in the store already; give another prefix") from refused
        if refused.status != 409 or len(places) != len(refused.errors) or not places or max(places) >= len(lines):
            raise refused
        short = {lines[place].part for place in places}
        self._journal.note(Refused(name, "out_of_inventory", sorted(short)))
        self.tally["lines refused"] += sum(1 for line in lines if line.part in short)
        return tuple(line for line in lines if line.part not in short)

    async def _ship(self, ship: Ship) -> None:
        order = self._orders.get(ship.invoice)
        lines = [] if order is None else [line for line in order.items if _open(line) and self._is_of(line, ship.parts)]
        if order is None or not lines:
            return
        items = None if ship.parts is None else [_of(line, _open(line)) for line in lines]
        self._keep(ship.invoice, await self._shop.orders.ship(order.id, items))
        self.tally["parcels shipped"] += 1

    def _is_of(self, line: OrderLine, parts: frozenset[str] | None) -> bool:
        return parts is None or line.part_number.removeprefix(self._prefix) in parts

    async def _take_back(self, step: TakeBack) -> None:
        """Units that had left come back as a return, others are cancelled; what was refused then cannot come back."""
        returns: list[Line] = []
        cancels: list[Line] = []
        wanted: Counter[str] = Counter()
        for part, units, _ in step.lines:
            wanted[self._prefix + part] += units
        order = self._orders.get(step.invoice)
        for line in order.items if order else ():
            back = min(wanted[line.part_number], line.shipped - line.returned)
            undone = min(wanted[line.part_number] - back, _open(line))
            wanted[line.part_number] -= back + undone
            returns += [_of(line, back)] if back else []
            cancels += [_of(line, undone)] if undone else []
        self.tally["units not sold, so not taken back"] += wanted.total()
        if order and returns:
            order = await self._shop.orders.take_back(order.id, returns)
            self._keep(step.invoice, order)
            self.tally["returns"] += 1
        if order and cancels:
            self._keep(step.invoice, await self._shop.orders.cancel(order.id, cancels))
            self.tally["cancels"] += 1

    async def _receive(self, step: Receive) -> None:
        changes = [
            Change(
                type="receive",
                part_number=self._prefix + part,
                fulfiller=self._home(part),
                quantity=units,
                reason=step.reason,
                reference=step.reference,
            )
            for part, units, _ in step.lines
        ]
        for rows in _batches(changes, ROWS_A_REQUEST):
            answer = await self._shop.changes.batch(rows)
            for asked, row in zip(rows, answer.results, strict=True):
                if row.level is None or asked.quantity is None:
                    raise ApiError(200, "conflict", ())
                self._journal.note(Received(row.level.inventory_item_id, asked.quantity, step.reason))
                self.tally[f"units received: {step.reason}"] += asked.quantity

    async def _write_off(self, step: WriteOff) -> None:
        """Units that are gone; promises stand before a write-off, so one that would break them is refused and noted."""
        for part, units, _ in step.lines:
            name = self._prefix + part
            change = Change(
                type="adjust",
                part_number=name,
                fulfiller=self._home(part),
                delta=-units,
                reason="write_off",
                reference=step.reference,
            )
            try:
                done = await self._shop.changes.apply(change)
            except ApiError as refused:
                if refused.status != 409:
                    raise
                self._journal.note(Refused(step.reference, refused.errors[0].code if refused.errors else "", [name]))
                self.tally["write-offs refused"] += 1
                continue
            self._journal.note(WrittenOff(done.level.inventory_item_id if done.level else "", units))
            self.tally["units written off"] += units

    def _home(self, part: str) -> str | None:
        """The fulfiller whom deliveries of a part go to: always the same one."""
        return self._fulfillers[zlib.crc32(part.encode()) % len(self._fulfillers)]

    def _keep(self, invoice: str, order: Order) -> None:
        self._orders[invoice] = order
        self._journal.note(ordered(order))


class _Pace:
    """Sleeps until a moment of the data has come, when life is run `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began: tuple[datetime, float] | None = None

    async def until(self, at: datetime) -> None:
        if not self._speed:
            return
        if self._began is None:
            self._began = at, time.monotonic()
        first, began = self._began
        await asyncio.sleep(max(0.0, began + (at - first).total_seconds() / self._speed - time.monotonic()))


def _open(line: OrderLine) -> int:
    return line.quantity - line.shipped - line.cancelled


def _of(line: OrderLine, units: int) -> Line:
    return Line(inventory_item_id=line.inventory_item_id, quantity=units)


def _shares(units: int, houses: int) -> list[int]:
    """Units spread over houses as evenly as whole units allow."""
    return [units // houses + (place < units % houses) for place in range(houses)]


def _batches(rows: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + most] for start in range(0, len(rows), most))
