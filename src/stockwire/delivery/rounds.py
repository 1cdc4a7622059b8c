"""Whether due deliveries are being claimed: what `/readyz` of the delivery role answers from (R23)."""

from __future__ import annotations

import time

LATE_SECONDS = 15.0  # since the last whole round; one begins every second


class Rounds:
    """When a worker last looked for what is due and could take it."""

    def __init__(self) -> None:
        self._done_at = time.monotonic()  # as if it had, at the start

    def done(self) -> None:
        """Note that every ledger with due deliveries was served now."""
        self._done_at = time.monotonic()

    def trouble(self) -> str | None:
        """Why the role is not ready, None if it is."""
        seconds = time.monotonic() - self._done_at
        return f"Due deliveries have not been claimed for {seconds:.0f} s." if seconds > LATE_SECONDS else None
