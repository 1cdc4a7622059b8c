"""Bodies are read strictly, and every fault of a body is told in one answer (R14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stockwire.api import changes, item_bodies, orders, reservations
from stockwire.api.bulk import Many
from stockwire.api.strict_json import repeats
from stockwire.domain.refusals import Refusal

LARGEST = 2**53 - 1
SET = b'{"type":"set","partNumber":"A","quantity":%s}'


def faults(found: Any) -> list[tuple[str, str]]:
    assert isinstance(found, tuple), found
    assert all(isinstance(fault, Refusal) for fault in found)
    return [(fault.reason.value, fault.where) for fault in found]


def test_a_good_body_is_read() -> None:
    read = changes.BODY.read(SET % b"5")
    assert isinstance(read, changes.Set)
    assert (read.quantity, read.command().amount, read.command().item.part_number) == (5, 5, "A")


@pytest.mark.parametrize(("number", "value"), [(b"5.0", 5), (b"5e0", 5), (b"-0", 0), (b"%d" % LARGEST, LARGEST)])
def test_an_integer_may_be_written_with_a_fraction_of_nothing(number: bytes, value: int) -> None:
    read = changes.BODY.read(SET % number)
    assert isinstance(read, changes.Set)
    assert read.quantity == value
    assert type(read.quantity) is int


@pytest.mark.parametrize(
    "number", [b"5.5", b"-1", b'"5"', b"true", b"null", b"[]", b"%d" % (LARGEST + 1), b"1" * 5000, b"1e99"]
)
def test_what_is_no_quantity_is_refused(number: bytes) -> None:
    assert faults(changes.BODY.read(SET % number)) == [("invalid_parameter", "quantity")]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_json_has_not(number: bytes) -> None:
    (code, where), *more = faults(changes.BODY.read(SET % number))
    assert (code, where, more) == ("invalid_parameter", "quantity", [])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  ",
        b"{",
        b'{"type":"set"',
        b"\xff\xfe",
        b'{"type":"set","partNumber":"\xff","quantity":1}',
        b'{"type":"set","partNumber":"A\x01","quantity":1}',
        b'\xef\xbb\xbf{"type":"set","partNumber":"A","quantity":1}',
        b'{"type":"set","partNumber":"A","quantity":1} {}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"type":"set","partNumber":' + b"[" * 3000 + b"]" * 3000 + b',"quantity":1}',
    ],
)
def test_what_is_no_json_is_refused_as_a_whole(raw: bytes) -> None:
    assert faults(changes.BODY.read(raw)) == [("invalid_format", "")]


@pytest.mark.parametrize("text", [rb"\u0000", rb"\u001f", rb"\n", rb"\ud800", rb"\udc00x", rb"\ud83d"])
def test_control_characters_and_half_characters_are_refused(text: bytes) -> None:
    raw = b'{"type":"set","partNumber":"A%s","quantity":1}' % text
    assert faults(changes.BODY.read(raw)) == [("invalid_format", "partNumber")]


@pytest.mark.parametrize("text", [rb"\u00e9", rb"\ud83d\ude00", rb"\\", rb"\/", rb"\""])
def test_other_escapes_are_taken(text: bytes) -> None:
    assert isinstance(changes.BODY.read(b'{"type":"set","partNumber":"A%s","quantity":1}' % text), changes.Set)


def test_a_key_that_stands_twice_is_refused() -> None:
    raw = b'{"type":"set","partNumber":"A","quantity":1,"quantity":1}'
    assert faults(changes.BODY.read(raw)) == [("invalid_parameter", "quantity")]


def test_a_key_that_stands_twice_deep_inside_is_refused() -> None:
    raw = b'{"partNumber":"A","metadata":{"a":"1","a":"1"},"products":[{"productId":"1","productId":"1"}]}'
    assert faults(item_bodies.NEW.read(raw)) == [
        ("invalid_parameter", "metadata.a"),
        ("invalid_parameter", "products[0].productId"),
    ]


def test_one_value_twice_under_different_keys_is_fine() -> None:
    assert not repeats(b'[{"a":1},{"a":1},{"b":{"a":1},"a":1}]')


def test_every_fault_is_listed() -> None:
    lines = b'{"quantity":0},{"partNumber":"A","productId":"P","quantity":"x","colour":1}'
    raw = b'{"items":[%s],"expiresInSeconds":0,"a":1}' % lines
    assert faults(reservations.NEW.read(raw)) == [
        ("invalid_parameter", "items[0].quantity"),
        ("missing_parameter", "items[0].inventoryItemId"),
        ("invalid_parameter", "items[1].quantity"),
        ("unknown_parameter", "items[1].colour"),
        ("invalid_parameter", "items[1].productId"),
        ("invalid_parameter", "expiresInSeconds"),
        ("unknown_parameter", "a"),
    ]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"items":[%s]}' % b",".join([b"[]"] * 400_000), ("invalid_parameter", "items[0]")),
        (b'{"reservationId":"r","reference":"%s"}' % (b"x" * 2_000_000), ("limit_exceeded", "reference")),
        (b'{"items":' + b" " * 2_000_000 + b"]", ("invalid_format", "")),
        (b'{"colour":"%s"}' % (b"x" * 2_000_000), ("unknown_parameter", "")),
        (b'{"items":[{%s"partNumber":"A"}]}' % (b" " * 2_000_000), ("missing_parameter", "items[0]")),
    ],
)  # fmt: skip
def test_a_long_body_is_told_its_first_fault(raw: bytes, found: tuple[str, str]) -> None:
    """Nobody else is answered while a body is walked."""
    assert faults(orders.NEW.read(raw)) == [found]


def test_too_many_rows_are_that_however_long_they_are() -> None:
    row = b'{"type":"set","partNumber":"%s","quantity":1}' % (b"p" * 128)
    read = changes.BODY.read(b'{"changes":[' + b",".join([row] * 10_001) + b"]}")
    assert faults(read) == [("limit_exceeded", "changes")]


def test_the_faults_of_a_hostile_body_are_bounded() -> None:
    """8 MiB have room for a million wrong keys; the answer must not be a hundred times the question."""
    raw = b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}"
    found = orders.NEW.read(raw)
    assert isinstance(found, tuple) and len(found) == 5_001
    assert found[-1].message == "Only the first 5000 faults are listed."
    many = changes.BODY.read(b'{"changes":[' + raw + b"]}")
    assert isinstance(many, Many)
    assert len(changes.BODY.row(many.rows[0], many, 0)) == 1
    row = b'{"type":"set",' + raw[1:]
    many = changes.BODY.read(b'{"changes":[' + row + b"]}")
    assert len(changes.BODY.row(many.rows[0], many, 0)) == 11


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"{}", [("missing_parameter", "type")]),
        (b"[]", [("invalid_parameter", "")]),
        (b"null", [("invalid_parameter", "")]),
        (b'{"type":"sett"}', [("invalid_parameter", "type")]),
        (b'{"type":5}', [("invalid_parameter", "type")]),
        (b'{"type":"set"}', [("missing_parameter", "quantity"), ("missing_parameter", "partNumber")]),
        (b'{"type":"adjust","partNumber":"A","delta":0}', [("invalid_parameter", "delta")]),
        (b'{"type":"adjust","partNumber":"A","delta":0.0}', [("invalid_parameter", "delta")]),
        (b'{"type":"receive","partNumber":"A","quantity":0}', [("invalid_parameter", "quantity")]),
        (b'{"type":"count","partNumber":"A","a":0}', [("unknown_parameter", "a"), ("missing_parameter", "onHand")]),
        (b'{"type":"set","partNumber":"","quantity":1}', [("invalid_parameter", "partNumber")]),
        (b'{"type":"set","partNumber":null,"quantity":1}', [("invalid_parameter", "partNumber")]),
        (b'{"type":"set","inventoryItemId":"nonsense","quantity":1}', [("not_found", "inventoryItemId")]),
        (b'{"type":"transfer","partNumber":"A","quantity":1}', [("missing_parameter", "toFulfiller")]),
    ],
)  # fmt: skip
def test_faults_of_a_change(raw: bytes, found: list[tuple[str, str]]) -> None:
    assert faults(changes.BODY.read(raw)) == found


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("yesterday", "invalid_format"),
        ("2026-01-01", "invalid_format"),
        ("2026-01-01T00:00:00", "invalid_format"),
        ("0001-01-01T00:00:00+23:59", "invalid_parameter"),
        ("9999-12-31T23:59:59-23:59", "invalid_parameter"),
    ],
)
def test_times(time: str, code: str) -> None:
    raw = json.dumps({"type": "set", "partNumber": "A", "quantity": 1, "occurredTime": time}).encode()
    assert faults(changes.BODY.read(raw)) == [(code, "occurredTime")]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"partNumber": "p" * 129}, "partNumber"),
        ({"fulfiller": "f" * 101}, "fulfiller"),
        ({"products": [{"productId": "i" * 129}]}, "products[0].productId"),
        ({"products": [{"productId": str(n)} for n in range(101)]}, "products"),
        ({"metadata": {str(n): "" for n in range(21)}}, "metadata"),
        ({"metadata": {"k" * 41: ""}}, "metadata." + "k" * 41),
        ({"metadata": {"k": "v" * 501}}, "metadata.k"),
    ],
)
def test_limits_of_an_item(fields: dict[str, Any], where: str) -> None:
    assert faults(item_bodies.NEW.read(json.dumps({"partNumber": "A", **fields}).encode())) == [
        ("limit_exceeded", where)
    ]


def test_an_order_has_at_most_2000_lines() -> None:
    lines = b",".join([b'{"partNumber":"A","quantity":1}'] * 2001)
    assert faults(orders.NEW.read(b'{"items":[%s]}' % lines)) == [("limit_exceeded", "items")]


def test_a_patch_tells_null_from_absent() -> None:
    read = item_bodies.EDIT.read(b'{"lowStockThreshold":null,"products":null,"allowOversell":true}')
    assert isinstance(read, item_bodies.ItemEdit)
    assert read.fields() == {"low_stock_threshold": None, "products": (), "allow_back_order": True}


def test_the_older_name_must_not_contradict() -> None:
    raw = b'{"allowBackOrder":true,"allowOversell":false}'
    assert faults(item_bodies.EDIT.read(raw)) == [("invalid_parameter", "allowOversell")]


def test_rows_stay_unread_until_their_turn() -> None:
    many = changes.BODY.read(b'{"changes":[{"type":"set","partNumber":"A","quantity":1},{"type":"nonsense"}]}')
    assert isinstance(many, Many)
    assert (len(many.rows), many.atomic, many.careful) == (2, False, False)
    assert isinstance(changes.BODY.row(many.rows[0], many, 0), changes.Set)
    assert faults(changes.BODY.row(many.rows[1], many, 1)) == [("invalid_parameter", "changes[1].type")]


def test_what_is_wrong_in_one_row_is_that_rows_fault() -> None:
    good = b'{"type":"set","partNumber":"A","quantity":1}'
    rows = [
        good,
        good[:-1] + b',"quantity":1}',
        rb'{"type":"set","partNumber":"\u0000","quantity":1}',
        b"5",
        b"[]",
        good,
    ]
    many = changes.BODY.read(b'{"changes":[' + b",".join(rows) + b"]}")
    read = [changes.BODY.row(row, many, place) for place, row in enumerate(many.rows)]
    assert [type(row) is tuple for row in read] == [False, True, True, True, True, False]
    assert faults(read[1]) == [("invalid_parameter", "changes[1].quantity")]
    assert faults(read[2]) == [("invalid_format", "changes[2].partNumber")]
    assert faults(read[3]) == [("invalid_parameter", "changes[3]")]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"changes":[]}', [("invalid_parameter", "changes")]),
        (b'{"changes":{}}', [("invalid_parameter", "changes")]),
        (b'{"changes":[1],"atomic":"yes","more":1}', [("invalid_parameter", "atomic"), ("unknown_parameter", "more")]),
        (b'{"changes":[1],"changes":[1]}', [("invalid_parameter", "changes")]),
        (b'{"changes":[1],"atomic":true,"atomic":true}', [("invalid_parameter", "atomic")]),
        (b'{"changes":[NaN]}', [("invalid_format", "")]),
        (b'{"changes":["\xff"]}', [("invalid_format", "")]),
        (b'{"changes":[' + b"[" * 5000 + b"]" * 5000 + b"]}", [("invalid_format", "")]),
        (b'{"changes":[' + b",".join([b"1"] * 10_001) + b"]}", [("limit_exceeded", "changes")]),
    ],
)  # fmt: skip
def test_faults_around_the_rows(raw: bytes, found: list[tuple[str, str]]) -> None:
    assert faults(changes.BODY.read(raw)) == found


def test_a_change_may_speak_of_changes() -> None:
    read = changes.BODY.read(b'{"type":"set","partNumber":"changes","reason":"changes","quantity":1}')
    assert isinstance(read, changes.Set)
