"""Stores and keys: what is made, what is kept of it, how a key ends (R17)."""

import hashlib
import re

import pytest

from stockwire.store import keys
from stockwire.store.database import Database


async def test_a_store_is_made_with_both_its_ledgers(database: Database) -> None:
    async with database.work.acquire() as connection:
        store = await keys.create_store(connection, "acme", "ACME warehouse")
        modes = await connection.fetch("SELECT live FROM ledgers WHERE store_id = $1 ORDER BY live", store)
        (row,) = await keys.stores(connection)
    assert [mode["live"] for mode in modes] == [False, True]
    assert (row["name"], row["own_fulfiller"], row["test_position"], row["live_position"]) == (
        "acme",
        "ACME warehouse",
        0,
        0,
    )


@pytest.mark.parametrize("name", ["", "Acme", "ac-me", "a" * 33, "a_b", "ä", "a\n"])
async def test_a_stores_name_can_stand_in_a_key(database: Database, name: str) -> None:
    async with database.work.acquire() as connection:
        with pytest.raises(keys.Unusable, match="1 to 32 lower-case letters and digits"):
            await keys.create_store(connection, name)


async def test_a_stores_name_is_taken_once(database: Database) -> None:
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        with pytest.raises(keys.Unusable, match="there is a store acme already"):
            await keys.create_store(connection, "acme")


@pytest.mark.parametrize(
    ("role", "live", "prefix"),
    [("admin", False, "sk_test_acme_"), ("operator", True, "sk_live_acme_"), ("public", True, "pk_live_acme_")],
)
async def test_r17_a_key_is_prefix_store_and_32_random_characters(
    database: Database, role: str, live: bool, prefix: str
) -> None:
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        made = await keys.create_key(connection, "acme", role, live=live, name="till")
        assert re.fullmatch(prefix + "[0-9A-Za-z]{32}", made.key)
        row = await connection.fetchrow("SELECT * FROM keys")
    assert row["digest"] == hashlib.sha256(made.key.encode()).digest()
    assert (row["prefix"], row["last_four"], row["live"], row["name"]) == (prefix, made.key[-4:], live, "till")
    assert made.key not in str(dict(row))


async def test_r17_no_two_keys_of_a_store_end_alike(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their roles and modes: four characters name a key."""
    monkeypatch.setattr(keys, "_LETTERS", "ab")  # 16 endings
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        made = [
            await keys.create_key(connection, "acme", role, live=live)
            for role in ("admin", "viewer", "public")
            for live in (False, True)
            for _ in range(2)
        ]
    assert len({key.key[-4:] for key in made}) == 12


@pytest.mark.parametrize(
    ("role", "fulfiller", "said"),
    [
        ("cook", None, "role is one of admin, operator, viewer, fulfiller, public"),
        ("fulfiller", None, "a fulfiller is named for a key of role fulfiller"),
        ("admin", "ACME", "a fulfiller is named for a key of role fulfiller"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    database: Database, role: str, fulfiller: str | None, said: str
) -> None:
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        with pytest.raises(keys.Unusable, match=said):
            await keys.create_key(connection, "acme", role, fulfiller=fulfiller)
        with pytest.raises(keys.Unusable, match="there is no store other"):
            await keys.create_key(connection, "other", "admin")
        assert await keys.keys(connection) == []


async def test_a_key_is_revoked_by_its_id_or_its_last_four_characters_and_both_are_noted(database: Database) -> None:
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        one = await keys.create_key(connection, "acme", "admin")
        two = await keys.create_key(connection, "acme", "fulfiller", fulfiller="ACME")
        await keys.revoke_key(connection, "acme", one.id)
        first = await keys.revoke_key(connection, "acme", two.key[-4:])
        again = await keys.revoke_key(connection, "acme", two.key[-4:])
        assert first["revoked_at"] == again["revoked_at"]
        assert all(row["revoked_at"] for row in await keys.keys(connection, "acme"))
        noted = await connection.fetch("SELECT action, subject, actor FROM audit_log ORDER BY id")
        with pytest.raises(keys.Unusable, match="has no key zzzz"):
            await keys.revoke_key(connection, "acme", "zzzz")
    assert [row["action"] for row in noted[:3]] == ["key.create", "key.create", "key.revoke"]
    assert {row["subject"] for row in noted} == {one.id, two.id}


async def test_a_store_cannot_revoke_anothers_key(database: Database) -> None:
    async with database.work.acquire() as connection:
        await keys.create_store(connection, "acme")
        await keys.create_store(connection, "other")
        made = await keys.create_key(connection, "acme", "admin")
        with pytest.raises(keys.Unusable, match="has no key"):
            await keys.revoke_key(connection, "other", made.id)
