"""Kill -9 under load in small: one cycle of each kind (`make crash` is the large one)."""

import asyncio

from tests.crash.__main__ import run
from tests.crash.report import as_text
from tests.engines import private_folder

KINDS = ["api", "deliver", "supervisor", "postmaster", "all", "stop-api"]


async def test_nothing_is_lost_nothing_doubled_by_kills_under_load() -> None:
    """Judged from outside (R12, R13, R18, R25, R27); the last cycle stops a writer inside its batch (R6)."""
    with private_folder() as folder:
        outcome = await asyncio.to_thread(run, folder, len(KINDS), KINDS, 1)
    assert outcome.agreed(len(KINDS)), as_text(outcome)
