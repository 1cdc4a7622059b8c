"""The keys that the server made on its first start."""

import json
from pathlib import Path
from typing import Any

from stockwire.demo.children import ChildFailedError


def admin_key(data_dir: Path) -> str:
    """The first secret key of the `admin` role in `first-keys.json`; raises `ChildFailedError` if there is none."""
    path = data_dir / "first-keys.json"
    try:
        found = _admin(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as fault:
        raise ChildFailedError(f"{path}: {fault}") from fault
    if found is None:
        raise ChildFailedError(f"{path} holds no admin key")
    return found


def _admin(told: Any) -> str | None:
    keys = told.get("keys", []) if isinstance(told, dict) else []
    return next((str(key["key"]) for key in keys if key.get("role") == "admin"), None)
