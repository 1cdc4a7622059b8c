"""Four API processes change one part number at once: what was answered adds up to what is there (R1, R2, R6)."""

import asyncio
import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

from benchmarks.connection import Line, Reply, Template
from tests.asking import Server
from tests.concurrency.shops import Shop, found, open_shop

PART = "ONE-1"
PROCESSES, CLIENTS, CHANGES = 4, 24, 60
OPENING = 20  # so little that some changes are refused


async def change(shop: Shop, number: int) -> list[tuple[int, Reply]]:
    """One client's changes, each sent to another process than the one before, with their answers."""
    chance = random.Random(number)
    lines = [Line("127.0.0.1", port) for port in shop.ports]
    answers = []
    for turn in range(CHANGES):
        delta = chance.choice((-7, -2, 3, 5))
        body = json.dumps({"type": "adjust", "partNumber": PART, "delta": delta}).encode()
        request = Template("POST", "/v1/inventory-changes", shop.api_key, body).request(b"c-%d-%d" % (number, turn))
        answers.append((delta, await lines[(number + turn) % PROCESSES].ask(request)))
    return answers


async def test_answers_from_four_processes_add_up(dsn: str) -> None:
    found(dsn)
    with open_shop(dsn, PROCESSES, own_ports=True) as shop:
        server = Server(shop.ports[0], shop.api_key)
        await server.post("/v1/inventory-items", {"partNumber": PART, "quantity": OPENING}, "open")
        changing = await asyncio.gather(*(change(shop, number) for number in range(CLIENTS)))
        level = json.loads(await server.get(f"/v1/inventory-levels?partNumber={PART}"))["data"][0]
        moves = [move async for move in server.listed(f"/v1/inventory-movements?partNumber={PART}&order=asc")]
        events = [json.loads(event) async for event in server.feed()]
    answers = list(itertools.chain.from_iterable(changing))
    applied = [(delta, json.loads(reply.body)) for delta, reply in answers if reply.status == 200]
    assert {reply.status for _, reply in answers} == {200, 409}, "some must have been refused"
    assert level["onHand"] == OPENING + sum(delta for delta, _ in applied)
    assert_each_answer_is_a_movement(applied, moves)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))


def assert_each_answer_is_a_movement(applied: Sequence[tuple[int, Any]], moves: Sequence[Any]) -> None:
    """Sequences are whole, and each answer told the level as it was after its own movement."""
    assert [move["sequence"] for move in moves] == list(range(1, len(applied) + 2))
    by_sequence = {move["sequence"]: move for move in moves}
    for delta, answer in applied:
        move = by_sequence[answer["level"]["sequence"]]
        assert (move["onHandDelta"], move["onHand"], move["changeId"]) == (
            delta,
            answer["level"]["onHand"],
            answer["id"],
        )
