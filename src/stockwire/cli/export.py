"""`stockwire export`: everything that a store and mode holds, as JSON Lines."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from stockwire.cli.calling import call
from stockwire.cli.leaving import leave
from stockwire.client import Stockwire
from stockwire.client.paging import Listing

LISTS = {
    "item": "/v1/inventory-items",
    "level": "/v1/inventory-levels",
    "reservation": "/v1/reservations",
    "order": "/v1/orders",
    "webhook": "/v1/webhooks",
}
KINDS = ("item", "level", "movement", "reservation", "order", "event", "webhook")
MOVEMENTS = "/v1/inventory-movements"
READ_AHEAD = 16


def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; without it, standard output.")] = None,
    *,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this kind; may be given several times: {', '.join(KINDS)}.")
    ] = None,
) -> None:
    """Write everything of the key's store and mode as JSON Lines.

    A line is {"kind": "item", "data": {…}}; the kinds are items, levels,
    movements, reservations, orders, events and webhooks (without secrets),
    each as the API shows it. The export is read while the server goes on
    selling: it is no snapshot, but levels and movements carry the item's
    sequence, so a reader can tell what belongs together.

    Set STOCKWIRE_KEY, and STOCKWIRE_URL if the server is not at http://127.0.0.1:8080.

    Examples:

      stockwire export store.jsonl

      stockwire export --only event --only movement | gzip > ledger.jsonl.gz
    """
    wanted = tuple(only or KINDS)
    unknown = [kind for kind in wanted if kind not in KINDS]
    if unknown:
        leave(f"--only {unknown[0]}: known kinds are {', '.join(KINDS)}")
    try:
        with _opened(file) as out:
            written = call(lambda shop: _export(shop, wanted, out))
    except OSError as fault:
        leave(f"{file or 'standard output'}: {fault.strerror or fault}")
    typer.echo(f"{written:,} lines written", err=True)


def _opened(path: Path | None) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if path is None else path.open("wb")


async def _export(shop: Stockwire, kinds: tuple[str, ...], out: BinaryIO) -> int:
    written = 0
    for kind in kinds:
        async for data in _rows(shop, kind):
            out.write(b'{"kind":"%s","data":%s}\n' % (kind.encode(), data))
            written += 1
    return written


async def _rows(shop: Stockwire, kind: str) -> AsyncIterator[bytes]:
    """Each object of a kind, as its JSON."""
    if kind == "event":
        async for body in shop.events.feed_bytes():
            yield body
    elif kind == "movement":
        async for movement in _movements(shop):
            yield movement
    else:
        async for row in _listing(shop, LISTS[kind], {}):
            yield msgspec.json.encode(row)


async def _movements(shop: Stockwire) -> AsyncIterator[bytes]:
    """Item by item, oldest first; the ledgers of the next items are read while one is written."""
    ahead: deque[asyncio.Task[list[bytes]]] = deque()
    async for item in _listing(shop, LISTS["item"], {}):
        ahead.append(asyncio.create_task(_ledger(shop, item["id"])))
        if len(ahead) > READ_AHEAD:
            for movement in await ahead.popleft():
                yield movement
    for reading in ahead:
        for movement in await reading:
            yield movement


async def _ledger(shop: Stockwire, item_id: str) -> list[bytes]:
    query = {"inventoryItemId": item_id, "order": "asc"}
    return [msgspec.json.encode(movement) async for movement in _listing(shop, MOVEMENTS, query)]


def _listing(shop: Stockwire, path: str, query: dict[str, str]) -> Listing[dict[str, Any]]:
    cursor = "inventoryItemId" if path == LISTS["level"] else "id"
    return Listing(shop.transport, path, dict[str, Any], query, lambda row: str(row[cursor]))
