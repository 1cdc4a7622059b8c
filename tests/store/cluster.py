"""A server in a private folder, and short questions to it."""

import stat
from pathlib import Path

import psycopg


def ask(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def do(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
