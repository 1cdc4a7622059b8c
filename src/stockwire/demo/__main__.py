"""`make run`: a server on its own database, a webhook receiver beside it, real orders, and whether it all adds up.

Exit codes: 0 everything agrees, 1 a difference or a failure, 2 a wrong argument, 130 interrupted.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from stockwire.client import ApiError
from stockwire.demo.children import ChildFailedError
from stockwire.demo.place import NotOursError, Place, default_place
from stockwire.demo.programs import RECEIVER
from stockwire.demo.showcase import Settings, Showcase
from stockwire.replay.proving import SILENCE_SECONDS

PORT = 8484


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="end after the reconciliation (make run ONCE=1)")
    parser.add_argument("--fresh", action="store_true", help="start over (make run FRESH=1)")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or PORT), help="(make run PORT=8485)")
    parser.add_argument("--data-dir", type=Path, help="where the database and the demonstration's files go")
    parser.add_argument("--concurrency", type=int, default=64, help="requests under way at once")
    parser.add_argument("--receiver", type=Path, default=RECEIVER, help="another webhook receiver to try")
    parser.add_argument(
        "--patience", type=float, default=SILENCE_SECONDS, help="seconds to wait for a receiver that is silent"
    )
    return parser.parse_args(given)


def main() -> int:
    asked = arguments(sys.argv[1:])
    console = Console()
    place = Place(asked.data_dir.absolute()) if asked.data_dir else default_place()
    how = Settings(asked.port, asked.concurrency, asked.receiver, asked.patience)
    showcase = Showcase(console, place, how)
    try:
        return asyncio.run(_run(showcase, asked.fresh, stay=not asked.once and console.is_terminal))
    except (ChildFailedError, NotOursError, ApiError, OSError) as failed:
        console.print(f"make run: {failed}", style="bold red", markup=False, highlight=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def _run(showcase: Showcase, fresh: bool, stay: bool) -> int:
    """SIGTERM ends it like Ctrl-C does: the processes are stopped in order."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return 0 if await showcase.show(fresh, stay) else 1


if __name__ == "__main__":
    sys.exit(main())
