"""The verdict as people and programmes read it."""

import statistics
from typing import Any, NamedTuple

from tests.crash.cycles import Cycle
from tests.crash.judge import Check

EXAMPLES = 3


class Outcome(NamedTuple):
    """Everything that a run showed."""

    cycles: list[Cycle]
    checks: list[Check]
    again: dict[float, int]  # deliveries that arrived again, by the signal they belong to
    starts: int  # of the server, the first included
    seconds: float

    @property
    def counted(self) -> list[Cycle]:
        """The cycles with enough in flight."""
        return [cycle for cycle in self.cycles if cycle.counts]

    @property
    def odd(self) -> list[str]:
        """Answers that nobody should get, in any cycle."""
        return [said for cycle in self.cycles for said in cycle.odd]

    def agreed(self, wanted: int) -> bool:
        """Whether enough cycles counted and nothing is wrong."""
        return len(self.counted) >= wanted and not self.odd and not any(check.wrong for check in self.checks)


def by_kind(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Figures of each kind of signal, over the cycles that count."""
    found = {}
    for kind in dict.fromkeys(cycle.kind for cycle in outcome.counted):
        some = [cycle for cycle in outcome.counted if cycle.kind == kind]
        found[kind] = {
            "cycles": len(some),
            "inFlight": _spread([cycle.in_flight for cycle in some]),
            "recoverySeconds": _spread([cycle.recovered for cycle in some]),
            "silenceSeconds": _spread([cycle.silence for cycle in some]),
            "deliverySeconds": _spread([cycle.delivered for cycle in some]),
            "deliveredAgain": _spread([outcome.again.get(cycle.at, 0) for cycle in some]),
        }
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "least": round(min(values), 3),
        "median": round(statistics.median(values), 3),
        "most": round(max(values), 3),
    }


def as_json(outcome: Outcome) -> dict[str, Any]:
    """For programmes."""
    return {
        "cycles": len(outcome.counted),
        "cyclesThatDidNotCount": len(outcome.cycles) - len(outcome.counted),
        "seconds": round(outcome.seconds, 1),
        "byKind": by_kind(outcome),
        "checks": {check.what: {"compared": check.compared, "wrong": len(check.wrong)} for check in outcome.checks},
        "oddAnswers": outcome.odd,
    }


def as_text(outcome: Outcome) -> str:
    """For people."""
    lines = ["", "                     in flight    answers again    no answer for  deliveries again  came again"]
    lines.append("killed        cycles least median  median   most    median   most   median   most         most")
    for kind, row in by_kind(outcome).items():
        times = [row[name] for name in ("recoverySeconds", "silenceSeconds", "deliverySeconds")]
        cells = "  ".join(f"{time['median']:6.2f} {time['most']:6.2f}  " for time in times)
        flight = f"{row['inFlight']['least']:6.0f} {row['inFlight']['median']:6.0f}"
        lines.append(f"{kind:14s}{row['cycles']:6d}{flight}  {cells}{row['deliveredAgain']['most']:9.0f}")
    lines.append("")
    for check in outcome.checks:
        lines.append(f"{check.compared:9,d}  {len(check.wrong):5d} wrong  {check.what}")
        lines += [f"{'':24s}{example}" for example in check.wrong[:EXAMPLES]]
    lines += [f"{'':24s}odd: {said}" for said in outcome.odd[:EXAMPLES]]
    idle = len(outcome.cycles) - len(outcome.counted)
    lines.append(f"{len(outcome.counted)} cycles counted, {idle} had too little in flight; {outcome.seconds:.0f} s")
    return "\n".join(lines)
