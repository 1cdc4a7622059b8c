"""Items as CSV: what is read, what is refused with its line, and that reading undoes writing."""

import csv
import io

import pytest

from stockwire.cli.item_rows import COLUMNS, BadRow, Row, WrongHeaderError, fields_of, read_rows
from stockwire.client import Item, NewItem, Product


def rows(text: str) -> list[Row | BadRow]:
    return list(read_rows(io.StringIO(text)))


def test_empty_fields_are_not_given_and_empty_lines_do_not_count() -> None:
    text = "partNumber,quantity,fulfiller,allowBackOrder\nA,5,,\n\n,,,\n B ,,Leeds,TRUE\n"
    assert rows(text) == [
        Row(2, NewItem(part_number="A", quantity=5)),
        Row(5, NewItem(part_number="B", fulfiller="Leeds", allow_back_order=True)),
    ]


def test_every_fault_of_a_line_is_named_and_the_next_line_is_read() -> None:
    text = 'partNumber,quantity,allowBackOrder\n,-1,maybe\nA,1\n"B\nC",2,false\nD,9007199254740992,\n'
    faults = rows(text)
    assert [fault.line for fault in faults] == [2, 3, 5, 6]
    assert isinstance(faults[0], BadRow)
    assert "'-1'" in faults[0].why
    assert "'maybe'" in faults[0].why
    assert "partNumber is empty" in faults[0].why
    assert faults[1] == BadRow(3, "2 fields under 3 columns")
    assert isinstance(faults[2], Row)
    assert isinstance(faults[3], BadRow)


@pytest.mark.parametrize(
    ("header", "why"),
    [("sku,quantity", "'sku'"), ("quantity", "partNumber"), ("partNumber,partNumber", "twice"), ("", "partNumber")],
)
def test_a_wrong_header_refuses_the_file(header: str, why: str) -> None:
    with pytest.raises(WrongHeaderError, match=why):
        rows(header + "\nA,1\n")


def test_reading_undoes_writing() -> None:
    item = Item(
        id="i",
        part_number='A "quoted", part',
        fulfiller="DR globalTech",
        inventory_management="Fulfiller Managed",
        allow_back_order=True,
        back_order_limit=0,
        low_stock_threshold=3,
        products=[Product(product_id="1"), Product(product_id="2", external_reference_id="x=y")],
        expected_in_stock_date="2026-12-24T00:00:00.000000Z",
        quantity=7,
    )
    out = io.StringIO()
    csv.writer(out).writerows([COLUMNS, fields_of(item)])
    (row,) = rows(out.getvalue())
    assert isinstance(row, Row)
    for name in ("part_number", "fulfiller", "inventory_management", "products", "quantity", "back_order_limit"):
        assert getattr(row.item, name) == getattr(item, name)
    assert row.item.expected_in_stock_date == item.expected_in_stock_date
