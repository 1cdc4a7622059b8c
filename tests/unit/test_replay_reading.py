"""Reading invoices: what counts, what does not, and what is wrong where."""

import gzip
from datetime import datetime
from pathlib import Path

import pytest

from stockwire.replay.reading import Line, Malformed, NotInvoicesError, read_files, read_lines

HEADER = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def read(*lines: bytes) -> list[Line | Malformed | None]:
    return list(read_lines([HEADER, *lines], "x.csv"))


def test_a_line_of_goods() -> None:
    line = b'536365,85123a,"HEART, WHITE",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\r\n'
    at = datetime(2010, 12, 1, 8, 26)
    assert read(line) == [Line(2, "536365", "85123A", "HEART, WHITE", 6, at, "2.55", "17850.0")]


@pytest.mark.parametrize("code", ["POST", "D", "M", "m", "S", "C2", "gift_0001_20", "DCGS0076", "BANK CHARGES", "1234"])
def test_what_is_not_goods_is_passed_over(code: str) -> None:
    assert read(f"536365,{code},x,1,2010-12-01 08:26:00,1,,UK".encode()) == [None]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"536365,22423,x,6,2010-12-01 08:26:00\n", "all columns"),
        (b'536365,22423,"x,6,2010-12-01 08:26:00,1,,UK\n', "all columns"),
        (b"536365," + b"2" * 70_000, "all columns"),
        (b"hello,22423,x,6,2010-12-01 08:26:00,1,,UK\n", "'hello' is no invoice number"),
        (b"536365,,x,6,2010-12-01 08:26:00,1,,UK\n", "StockCode is empty"),
        (b"536365,22423,x,six,2010-12-01 08:26:00,1,,UK\n", "Quantity 'six'"),
        (b"536365,22423,x,0,2010-12-01 08:26:00,1,,UK\n", "Quantity '0'"),
        (b"536365,22423,x,1.5,2010-12-01 08:26:00,1,,UK\n", "Quantity '1.5'"),
        (b"536365,22423,x,99999999,2010-12-01 08:26:00,1,,UK\n", "Quantity '99999999'"),
        (b"536365,22423,x,6,yesterday,1,,UK\n", "InvoiceDate 'yesterday'"),
    ],
)
def test_a_malformed_line_is_named_by_its_number_and_the_rest_goes_on(line: bytes, why: str) -> None:
    good = b"C536366,22423,x,-1,2010-12-01 08:28:00,1,5,UK\n"
    bad, after = read(line, good)
    assert isinstance(bad, Malformed)
    assert (bad.file, bad.number) == ("x.csv", 2)
    assert why in bad.why
    assert isinstance(after, Line)
    assert (after.number, after.quantity) == (3, -1)


def test_a_price_that_is_none_is_left_out() -> None:
    (line,) = read(b"536365,22423,x,6,2010-12-01 08:26:00,-11062.06,,UK\n")
    assert isinstance(line, Line)
    assert line.price == ""


def test_empty_lines_and_stray_bytes_spoil_nothing() -> None:
    (line,) = read(b"\n", b"536365,22423,caf\xe9,6,2010-12-01 08:26:00,1,,UK\n", b"  \n")
    assert isinstance(line, Line)
    assert (line.number, line.description) == (3, "caf\ufffd")


def test_a_file_without_the_columns_is_refused_as_a_whole() -> None:
    with pytest.raises(NotInvoicesError, match=r"x.csv: the first line has no column StockCode, Quantity"):
        list(read_lines([b"InvoiceNo,Description,InvoiceDate,UnitPrice,CustomerID\n"], "x.csv"))
    with pytest.raises(NotInvoicesError):
        list(read_lines([], "x.csv"))


def test_gzip_is_recognised_by_its_bytes_and_a_torn_file_is_refused(tmp_path: Path) -> None:
    content = HEADER + b"536365,22423,x,6,2010-12-01 08:26:00,1,,UK\n" * 1000
    packed, plain, torn = tmp_path / "a", tmp_path / "b.csv.gz", tmp_path / "c.gz"
    packed.write_bytes(gzip.compress(content))
    plain.write_bytes(content)
    torn.write_bytes(gzip.compress(content)[:-20])
    assert len(read_files([packed, plain]).lines) == 2000
    with pytest.raises(NotInvoicesError, match=r"c\.gz"):
        read_files([torn])
    with pytest.raises(NotInvoicesError, match="nothere"):
        read_files([tmp_path / "nothere"])
