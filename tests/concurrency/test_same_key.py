"""Two processes get the same request under the same idempotency key at the same instant (R12)."""

import asyncio
import json

import psycopg

from benchmarks.connection import Line, Reply, Template
from tests.asking import Server
from tests.concurrency.shops import found, open_shop

KEYS = 1_000
PART = "KEY-1"


async def twins(dsn: str, keys: int, guard: str = "locked") -> tuple[list[tuple[Reply, Reply]], int]:
    """Both answers to each key, and how many units were added in the end. Each request adds one."""
    found(dsn)
    with open_shop(dsn, 2, guard=guard, own_ports=True) as shop:
        server = Server(shop.ports[0], shop.api_key)
        await server.post("/v1/inventory-items", {"partNumber": PART}, "open")
        body = json.dumps({"type": "adjust", "partNumber": PART, "delta": 1}).encode()
        template = Template("POST", "/v1/inventory-changes", shop.api_key, body)
        one, other = (Line("127.0.0.1", port) for port in shop.ports)
        answers = []
        for number in range(keys):
            request = template.request(b"twin-%d" % number)
            answers.append(tuple(await asyncio.gather(one.ask(request), other.ask(request))))
        level = json.loads(await server.get(f"/v1/inventory-levels?partNumber={PART}"))["data"][0]
    return answers, level["onHand"]  # type: ignore[return-value]


async def test_one_change_and_two_equal_answers(dsn: str) -> None:
    answers, added = await twins(dsn, KEYS)
    assert added == KEYS
    assert {(one.status, other.status) for one, other in answers} == {(200, 200)}
    assert all(one.body == other.body for one, other in answers)
    assert all(one.replayed != other.replayed for one, other in answers), "exactly one of them is the first"
    firsts = sum(not one.replayed for one, _ in answers)
    assert 0 < firsts < KEYS, "either process must have been the first now and then, or they never raced"


async def test_reading_in_the_statement_that_locks_applies_a_key_twice(dsn: str) -> None:
    """The danger: such a statement sees the answers as they were before it waited for the lock (R6)."""
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE answers DROP CONSTRAINT answers_pkey")
    _, added = await twins(dsn, 300, "one-statement")
    assert added > 300
