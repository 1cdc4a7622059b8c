"""What the figures were measured on, and with."""

import os
import platform
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("asyncpg", "msgspec", "starlette", "uvicorn", "uvloop", "httptools", "aiohttp")
SYNCS = 200


def description(database: str) -> dict[str, Any]:
    """Processor, memory, system and versions; no names and no paths."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "database": database,
        "packages": {name: version(name) for name in PACKAGES},
        "revision": _revision(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _revision() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def fdatasync_milliseconds(folder: Path) -> float:
    """The median time of a write of 8 KiB made durable, where the database's files are."""
    path = folder / "fdatasync"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        taken = []
        for _ in range(SYNCS):
            os.write(handle, b"\0" * 8192)
            begun = time.perf_counter()
            os.fdatasync(handle)
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken) * 1000
    finally:
        os.close(handle)
        path.unlink()
