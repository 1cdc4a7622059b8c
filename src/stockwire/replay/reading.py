"""Reading invoices in the format of UCI Online Retail: one CSV line per invoice line, plain or gzip.

The columns are InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country; they are found
by their names in the first line. Goods are codes that begin with five digits (postage, fees and gift vouchers do not).
Codes are upper-cased, because the shop wrote `85123a` and `85123A` for the same thing.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
GOODS = re.compile(r"[0-9]{5}[A-Za-z0-9_.-]{0,27}")
PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
INVOICE = re.compile(r"[A-Za-z]?[0-9]{1,20}")
LARGEST_LINE_BYTES = 64 * 1024
MOST_UNITS = 10_000_000


class Line(NamedTuple):
    """One line of an invoice; `quantity` is negative where goods came back or were written off. `price` is of one unit,
    in pounds, empty where the shop wrote none that can be one."""

    number: int
    invoice: str
    part: str
    description: str
    quantity: int
    at: datetime
    price: str
    customer: str


class Malformed(NamedTuple):
    """A line that says nothing usable; `number` counts from 1, the header included."""

    file: str
    number: int
    why: str


class Invoices(NamedTuple):
    """What the files hold: lines of goods in file order, lines that were passed over, and how many were not goods."""

    lines: tuple[Line, ...]
    malformed: tuple[Malformed, ...]
    not_goods: int


class NotInvoicesError(Exception):
    """The file is not in the expected format at all; the text names it and says why."""


def read_files(paths: Iterable[Path]) -> Invoices:
    """Read files one after the other; raises `NotInvoicesError` for one that cannot be read as a whole."""
    lines: list[Line] = []
    malformed: list[Malformed] = []
    not_goods = 0
    for path in paths:
        for result in _read_file(path):
            if isinstance(result, Line):
                lines.append(result)
            elif isinstance(result, Malformed):
                malformed.append(result)
            else:
                not_goods += 1
    return Invoices(tuple(lines), tuple(malformed), not_goods)


def _read_file(path: Path) -> Iterator[Line | Malformed | None]:
    try:
        with _opened(path) as file:
            yield from read_lines(file, path.name)
    except (OSError, EOFError) as fault:
        raise NotInvoicesError(f"{path}: {fault}") from fault


def _opened(path: Path) -> IO[bytes]:
    """The file's bytes; gzip is recognised by its first two bytes, not by its name."""
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def read_lines(file: Iterable[bytes], name: str) -> Iterator[Line | Malformed | None]:
    """Each line's meaning; None is a line that is no goods."""
    numbered = enumerate(file, start=1)
    header = next(numbered, (0, b""))[1]
    columns = _columns(header, name)
    for number, raw in numbered:
        if raw.strip():
            yield _line(raw, number, name, columns)


def _columns(header: bytes, name: str) -> dict[str, int]:
    found = {title.strip(): place for place, title in enumerate(_fields(header) or ())}
    missing = [title for title in COLUMNS if title not in found]
    if missing:
        raise NotInvoicesError(f"{name}: the first line has no column {', '.join(missing)}")
    return found


def _fields(raw: bytes) -> list[str] | None:
    """The fields of one line, or None if it is no CSV. The shop's export is UTF-8; a stray byte spoils no line."""
    text = raw.decode("utf-8-sig", "replace").rstrip("\r\n")
    try:
        return next(csv.reader(io.StringIO(text), strict=True), [])
    except csv.Error:
        return None


def _line(raw: bytes, number: int, name: str, columns: dict[str, int]) -> Line | Malformed | None:
    fields = _fields(raw) if len(raw) <= LARGEST_LINE_BYTES else None
    if fields is None or len(fields) <= max(columns.values()):
        return Malformed(name, number, "not a CSV line with all columns")
    invoice, code, description, quantity, at, price, customer = (fields[columns[title]].strip() for title in COLUMNS)
    if not INVOICE.fullmatch(invoice):
        return Malformed(name, number, f"InvoiceNo {invoice[:40]!r} is no invoice number")
    if not GOODS.fullmatch(code):
        return None if code else Malformed(name, number, "StockCode is empty")
    units, when = _units(quantity), _time(at)
    if units is None:
        return Malformed(name, number, f"Quantity {quantity[:40]!r} is not a whole number of units other than 0")
    if when is None:
        return Malformed(name, number, f"InvoiceDate {at[:40]!r} is no time like 2010-12-01 08:26:00")
    cost = price if PRICE.fullmatch(price) else ""
    return Line(number, invoice.upper(), code.upper(), description, units, when, cost, customer)


def _units(text: str) -> int | None:
    if not re.fullmatch(r"-?[0-9]{1,8}", text):
        return None
    units = int(text)
    return units if 0 < abs(units) <= MOST_UNITS else None


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
