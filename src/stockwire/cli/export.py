"""`stockwire export`: everything that a store and mode holds, as JSON Lines."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from stockwire.cli.calling import call, leave
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
        leave(f"{file or 'standard output'}: {fault}")
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
        async for item in _listing(shop, LISTS["item"], {}):
            async for movement in _listing(shop, MOVEMENTS, {"inventoryItemId": item["id"], "order": "asc"}):
                yield msgspec.json.encode(movement)
    else:
        async for row in _listing(shop, LISTS[kind], {}):
            yield msgspec.json.encode(row)


def _listing(shop: Stockwire, path: str, query: dict[str, str]) -> Listing[dict[str, Any]]:
    cursor = "inventoryItemId" if path == LISTS["level"] else "id"
    return Listing(shop.transport, path, dict[str, Any], query, lambda row: str(row[cursor]))
