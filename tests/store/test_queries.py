"""Named queries: parameters keep their declared order, and calls go to the connection directly."""

from pathlib import Path

import pytest

from stockwire.store import queries
from stockwire.store.database import Database

SQL = """
-- name: rows(low, high)
-- Numbers from low to high.
SELECT n, :low::int AS low FROM generate_series(:low::int, :high::int) AS n WHERE ':high' <> 'x:low'

-- name: swapped(second, first)^
-- Takes them the other way round than it uses them.
SELECT :first::text AS first, :second::text AS second

-- name: total(numbers)$
-- One value.
SELECT sum(n) FROM unnest(:numbers::int[]) AS n

-- name: make()!
-- A table for this session.
CREATE TEMPORARY TABLE kept (n int, word text)

-- name: keep(n, word)*!
-- Many rows.
INSERT INTO kept VALUES (:n, :word)

-- name: keep_one(n, word)<!
-- One row, told back.
INSERT INTO kept VALUES (:n, :word) RETURNING n, word
"""


@pytest.fixture
def loaded(tmp_path: Path) -> queries.Queries:
    file = tmp_path / "some.sql"
    file.write_text(SQL)
    return queries.load_path(file)


def test_the_text_has_numbers_in_the_declared_order(loaded: queries.Queries) -> None:
    assert loaded.swapped.sql == "SELECT $2::text AS first, $1::text AS second"
    assert loaded.swapped.parameters == ("second", "first")
    assert "':high' <> 'x:low'" in loaded.rows.sql
    assert loaded.rows.sql.count("$1::int") == 2
    assert loaded.rows.purpose == "Numbers from low to high."


async def test_every_kind_of_query_runs(loaded: queries.Queries, database: Database) -> None:
    async with database.ledger.acquire() as connection:
        assert [row["n"] for row in await loaded.rows(connection, low=2, high=4)] == [2, 3, 4]
        assert [row["n"] for row in await loaded.rows(connection, 2, 3)] == [2, 3]
        assert tuple(await loaded.swapped(connection, first="a", second="b")) == ("a", "b")
        assert await loaded.total(connection, numbers=[1, 2]) == 3
        await loaded.make(connection)
        await loaded.keep(connection, [(1, "one"), (2, "two")])
        assert tuple(await loaded.keep_one(connection, n=3, word="three")) == (3, "three")
        assert await connection.fetchval("SELECT count(*) FROM kept") == 3


def test_a_wrong_name_is_refused(loaded: queries.Queries) -> None:
    with pytest.raises(TypeError, match="swapped takes second, first"):
        loaded.swapped(None, first="a", third="b")
    with pytest.raises(AttributeError, match=r"some\.sql has no query absent"):
        _ = loaded.absent


def test_a_query_must_say_what_it_is_for(tmp_path: Path) -> None:
    file = tmp_path / "mute.sql"
    file.write_text("-- name: mute()\nSELECT 1\n")
    with pytest.raises(ValueError, match="mute does not say"):
        queries.load_path(file)


@pytest.mark.parametrize("mark", ["", "^", "$", "!"])
def test_a_name_that_would_be_dropped_is_refused(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "ends.sql"
    file.write_text(f"-- name: one_cursor(){mark}\n-- Looks like aiosql's own.\nSELECT 1\n")
    with pytest.raises(ValueError, match=r"ends\.sql: one_cursor"):
        queries.load_path(file)


@pytest.mark.parametrize("file", sorted(Path("src/stockwire/store/sql").glob("*.sql")), ids=lambda path: path.name)
def test_every_file_of_queries_loads(file: Path) -> None:
    for name, query in queries.load(file.name).named.items():
        assert query.purpose, name
        assert all(f"${place + 1}" in query.sql for place in range(len(query.parameters)))
