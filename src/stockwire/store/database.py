"""Connections to PostgreSQL: pools with the session settings that the rules ask for, and what a usable server is."""

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = Session | PoolConnectionProxy[asyncpg.Record]  # what a query runs on
else:  # asyncpg's classes take no parameters at run time
    Session, Pool = asyncpg.Connection, asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

OLDEST_VERSION = 15
CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 15.0
COMMAND_SECONDS = STATEMENT_SECONDS + 5.0  # a client-side end for a server that is frozen rather than slow
IDLE_CONNECTION_SECONDS = 60.0  # a backend that nobody uses is given back
KEEPALIVE = {"idle": 2, "interval": 1, "count": 3, "user_timeout_ms": 5000}


class UnusableDatabase(Exception):  # noqa: N818 - said to the person who starts the server
    """The database cannot be used as it is. The text says why, and holds no password."""


# A connection that cannot be opened or was lost. Around COMMIT the outcome is then unknown (R13); elsewhere try again.
UNREACHABLE: tuple[type[Exception], ...] = (
    UnusableDatabase,  # what answers now, after a fail-over perhaps, cannot be used
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the next statement after a server's goodbye, before the connection is closed
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
)

_NOT_YET: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
)
_NEVER: tuple[type[Exception], ...] = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)

# Of every connection. Plans prepared while tables are empty would otherwise stay sequential scans (R6).
SESSION = {
    "application_name": "stockwire",
    "timezone": "UTC",
    "jit": "off",
    "enable_seqscan": "off",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "3s",
    "default_transaction_isolation": "read committed",
    "tcp_keepalives_idle": str(KEEPALIVE["idle"]),
    "tcp_keepalives_interval": str(KEEPALIVE["interval"]),
    "tcp_keepalives_count": str(KEEPALIVE["count"]),
    "tcp_user_timeout": str(KEEPALIVE["user_timeout_ms"]),
}
# Of the work and reads pools, whose statements look a few rows up by key. A hash or merge join would read a whole
# ledger for them, and so would a plan kept from when the tables were empty (487 deliveries a second instead of 4,000).
# Planned with the values asked with, a filter that is not given costs nothing.
LOOK_UPS = SESSION | {"enable_hashjoin": "off", "enable_mergejoin": "off", "plan_cache_mode": "force_custom_plan"}
READ_ONLY = LOOK_UPS | {"default_transaction_read_only": "on"}

_CONDITION = """
SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby
"""
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class DatabaseAway(UnusableDatabase):
    """The database does not answer: it may later."""


class _Session(Session):
    """Nothing sets session state, so a connection needs no reset (a round trip) when it goes back to its pool."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """The pools of one process.

    `ledger` is for batches alone, `work` for deliveries and housekeeping, `reads` (read-only) for everything that
    looks. Each opens connections as they are needed and opens them afresh when the server comes back.
    """

    def __init__(self, dsn: str, ledger: Pool, reads: Pool, work: Pool) -> None:
        self.dsn = dsn
        self.ledger = ledger
        self.reads = reads
        self.work = work

    @classmethod
    async def open(cls, dsn: str, *, sizes: tuple[int, int, int] = (4, 6, 6), wait_seconds: float = 10.0) -> "Database":
        """Pools of at most `sizes` connections (ledger, reads, work).

        Waits `wait_seconds` for a server that is starting. UnusableDatabase: it cannot be used, and why; DatabaseAway:
        it did not answer.
        """
        await _first_answer(dsn, wait_seconds)
        ledger, reads, work = sizes
        return cls(
            dsn, await _pool(dsn, ledger, SESSION), await _pool(dsn, reads, READ_ONLY), await _pool(dsn, work, LOOK_UPS)
        )

    async def connect(self) -> Session:
        """A connection outside the pools, with the same settings: for notices, locks, and questions after a loss."""
        return await connect(self.dsn)

    async def close(self) -> None:
        """Gives every connection back; those still busy after a few seconds are cut."""
        pools = (self.ledger, self.reads, self.work)
        try:
            async with asyncio.timeout(3):
                await asyncio.gather(*(pool.close() for pool in pools))
        except TimeoutError:
            for pool in pools:
                pool.terminate()


async def connect(dsn: str, session: dict[str, str] = SESSION) -> Session:
    """One connection that has been found fit (R6). UnusableDatabase says what is wrong with the server."""
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings=session,
        connection_class=_Session,
    )
    try:
        await _prepare(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _pool(dsn: str, size: int, session: dict[str, str] = SESSION) -> Pool:
    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings=session,
        connection_class=_Session,
        init=_prepare,
        max_queries=0x7FFFFFFF,
        max_inactive_connection_lifetime=IDLE_CONNECTION_SECONDS,
    )
    return pool


async def _prepare(connection: Any) -> None:
    """On each new connection: after a fail-over or a changed configuration the server may be another one."""
    _keep_alive(connection)
    faults = unfit(dict(await connection.fetchrow(_CONDITION)))
    if faults:
        raise UnusableDatabase("; ".join(faults))


def unfit(condition: dict[str, Any]) -> list[str]:
    """What forbids the use of a server in this condition: empty if nothing does."""
    faults = []
    if condition["version"] // 10000 < OLDEST_VERSION:
        faults.append(f"PostgreSQL {condition['version'] // 10000} is too old: {OLDEST_VERSION} or newer is needed")
    faults += [f"{name} is off: a crash could lose what was answered" for name in DURABLE if condition[name] == "off"]
    if condition["standby"]:
        faults.append("the server is a standby and cannot be written")
    return faults


def _keep_alive(connection: Any) -> None:
    """A cut network is noticed in seconds on our side too (the session settings do it on the server's)."""
    transport = getattr(connection, "_transport", None)
    raw = transport.get_extra_info("socket") if transport else None
    if raw is None or raw.family == getattr(socket, "AF_UNIX", None):
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE["idle"]),
        ("TCP_KEEPINTVL", KEEPALIVE["interval"]),
        ("TCP_KEEPCNT", KEEPALIVE["count"]),
        ("TCP_USER_TIMEOUT", KEEPALIVE["user_timeout_ms"]),
    ):
        if hasattr(socket, option):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _first_answer(dsn: str, wait_seconds: float) -> None:
    until = time.monotonic() + wait_seconds
    while True:
        try:
            connection = await connect(dsn)
        except _NEVER as fault:
            raise UnusableDatabase(f"the database refuses the connection: {fault}") from None
        except _NOT_YET as fault:
            if time.monotonic() > until:
                raise DatabaseAway(f"the database does not answer: {plain(fault)}") from None
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return


def plain(fault: BaseException) -> str:
    """A fault of connecting in one line, without addresses' passwords (asyncpg never repeats them)."""
    if isinstance(fault, OSError) and fault.errno:
        return os.strerror(fault.errno)
    return str(fault).splitlines()[0] if str(fault) else type(fault).__name__
