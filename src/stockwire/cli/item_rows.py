"""Items as lines of CSV: the columns, what each may hold, and what is wrong with a line."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from stockwire.client import Item, NewItem, Product

COLUMNS = (
    "partNumber",
    "fulfiller",
    "quantity",
    "inventoryManagement",
    "allowBackOrder",
    "backOrderLimit",
    "lowStockThreshold",
    "expectedInStockDate",
    "products",
)
MANAGEMENT = ("Self Managed", "Fulfiller Managed")
LARGEST = 2**53 - 1


class Row(NamedTuple):
    """A line that can be sent; `line` counts from 1, the header included."""

    line: int
    item: NewItem


class BadRow(NamedTuple):
    line: int
    why: str


class WrongHeaderError(Exception):
    """The file's first line names no part numbers, or a column that nobody knows."""


def read_rows(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Each line of the file; raises `WrongHeaderError` before the first."""
    reader = csv.reader(lines, strict=True)
    try:
        header = [title.strip() for title in next(reader, [])]
    except csv.Error as fault:
        raise WrongHeaderError(f"line 1: {fault}") from fault
    _check_header(header)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            yield BadRow(reader.line_num, str(fault))
            continue
        if any(field.strip() for field in fields):
            yield _row(reader.line_num, header, fields)


def _check_header(header: list[str]) -> None:
    unknown = [title for title in header if title not in COLUMNS]
    if unknown:
        raise WrongHeaderError(f"line 1: unknown column {unknown[0]!r}; known are {', '.join(COLUMNS)}")
    if "partNumber" not in header or len(set(header)) != len(header):
        raise WrongHeaderError("line 1: there must be one column partNumber, and no column twice")


def _row(line: int, header: list[str], fields: list[str]) -> Row | BadRow:
    if len(fields) != len(header):
        return BadRow(line, f"{len(fields)} fields under {len(header)} columns")
    values: dict[str, Any] = {}
    faults = []
    for title, text in zip(header, fields, strict=True):
        name, read = _READING[title]
        try:
            values[name] = read(text.strip()) if text.strip() else None
        except ValueError as fault:
            faults.append(f"{title} {fault}")
    if not values.get("part_number"):
        faults.append("partNumber is empty")
    return BadRow(line, "; ".join(faults)) if faults else Row(line, NewItem(**values))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST:
        raise ValueError(f"{text[:40]!r} is not a whole number from 0 to {LARGEST}")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return text.lower() == "true"


def _management(text: str) -> str:
    if text not in MANAGEMENT:
        raise ValueError(f"{text[:40]!r} is neither of {', '.join(MANAGEMENT)}")
    return text


def _products(text: str) -> list[Product]:
    """`id` or `id=reference`, separated by semicolons."""
    pairs = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    if not all(product for product, _, _ in pairs):
        raise ValueError(f"{text[:40]!r} has a product without an id")
    return [Product(product_id=product, external_reference_id=reference or None) for product, _, reference in pairs]


_READING: dict[str, tuple[str, Callable[[str], Any]]] = {
    "partNumber": ("part_number", str),
    "fulfiller": ("fulfiller", str),
    "quantity": ("quantity", _count),
    "inventoryManagement": ("inventory_management", _management),
    "allowBackOrder": ("allow_back_order", _yes_or_no),
    "backOrderLimit": ("back_order_limit", _count),
    "lowStockThreshold": ("low_stock_threshold", _count),
    "expectedInStockDate": ("expected_in_stock_date", str),
    "products": ("products", _products),
}


def fields_of(item: Item) -> list[str]:
    """An item as the fields of one line, in the order of `COLUMNS`; reading them again gives the same item."""
    return [
        item.part_number,
        item.fulfiller,
        str(item.quantity),
        item.inventory_management,
        "true" if item.allow_back_order else "false",
        "" if item.back_order_limit is None else str(item.back_order_limit),
        "" if item.low_stock_threshold is None else str(item.low_stock_threshold),
        item.expected_in_stock_date or "",
        ";".join(_product(product) for product in item.products),
    ]


def _product(product: Product) -> str:
    return (
        f"{product.product_id}={product.external_reference_id}" if product.external_reference_id else product.product_id
    )
