"""The hottest statements find rows by key on an empty database, where the planner has nothing to choose by (R6)."""

import re

import asyncpg
import pytest

from stockwire.store.database import SESSION
from stockwire.store.queries import load

# Statement, and the conditions that its index look-ups must have.
LOOK_UPS = {
    "load_head": ["ledgers_pkey", "key = k.key"],
    "load_parts": ["part_number = w.part", "levels_pkey", "item_id = x.id) AND (expires_at <="],
    "load_reservations": ["id = w.id", "reservation_id = x.id"],
    "load_orders": ["id = w.id", "order_id = x.id"],
    "name_parts": ["product_id = w_1.product_id", "external_reference_id = w_2.reference"],
    "load_due": ["reservation_lines_due"],
}


@pytest.mark.parametrize("name", LOOK_UPS)
async def test_a_batch_looks_up_by_key_on_an_empty_database(dsn: str, name: str) -> None:
    plan = await generic_plan(dsn, "batch.sql", name)
    conditions = "\n".join(line for line in plan.splitlines() if "Index" in line)
    for wanted in LOOK_UPS[name]:
        assert wanted in conditions, plan
    assert "Seq Scan" not in plan
    assert not re.search("Hash Join|Merge Join", plan), plan


async def generic_plan(dsn: str, filename: str, name: str) -> str:
    """The plan that a prepared statement keeps."""
    query = load(filename).named[name]
    connection = await asyncpg.connect(dsn, server_settings=SESSION | {"plan_cache_mode": "force_generic_plan"})
    try:
        parameters = (await connection.prepare(query.sql)).get_parameters()
        types = ", ".join(
            re.sub(r"\[\]$", "", type_.name) + ("[]" if type_.kind == "array" else "") for type_ in parameters
        )
        await connection.execute(f"PREPARE asked({types}) AS {query.sql}")
        values = ", ".join("'{}'" if type_.kind == "array" else "NULL" for type_ in parameters)
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked({values})")
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()
