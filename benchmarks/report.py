"""The results as a page: what was wanted, what came out, and every figure behind it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.scenarios import EACH, NO_OP, ONE, STOCKWIRE

Found = dict[str, Any]


class Target(NamedTuple):
    """What is wanted of a figure, which is read from the results."""

    what: str
    least: bool
    bound: float
    unit: str
    read: Callable[[Found], float]


def rate(found: Found, scenario: str, subject: str = STOCKWIRE) -> float:
    """Operations a second."""
    return float(found["scenarios"][scenario]["subjects"][subject]["perSecond"])


def ratio(scenario: str, subject: str) -> Callable[[Found], float]:
    """Stockwire's rate over another's."""
    return lambda found: rate(found, scenario) / rate(found, scenario, subject)


def _lone(found: Found) -> float:
    subjects = found["scenarios"]["lone"]["subjects"]
    return float(subjects[STOCKWIRE]["milliseconds"]["p50"] / subjects[EACH]["milliseconds"]["p50"])


def _webhooks(way: str) -> Callable[[Found], float]:
    return lambda found: (
        (found["webhooks"][way]["20"]["milliseconds"]["p50"] / found["webhooks"][way]["1"]["milliseconds"]["p50"] - 1)
        * 100
    )


TARGETS = (
    Target("hot: times the one-transaction-per-request app", True, 10, "×", ratio("hot", EACH)),
    Target("hot: times that app with one write statement", True, 10, "×", ratio("hot", ONE)),
    Target("hot: share of the no-op's rate", True, 0.25, "", ratio("hot", NO_OP)),
    Target("hot adjust: share of the no-op's rate", True, 0.3, "", ratio("hot adjust", NO_OP)),
    Target("wide: share of the no-op's rate", True, 0.2, "", ratio("wide", NO_OP)),
    Target("bulk: changes a second", True, 15_000, "/s", lambda found: rate(found, "bulk")),
    Target("lone order: times the app's p50", False, 1.5, "×", _lone),
    Target(
        "an order's p99 beside bulk", False, 100, "ms", lambda f: f["beside bulk"]["besideBulk"]["milliseconds"]["p99"]
    ),
    Target("20 webhooks: a reservation's p50, steady stream", False, 5, "%", _webhooks("steady")),
    Target("20 webhooks: a reservation's p50, one client", False, 5, "%", _webhooks("lone")),
    Target("drop: sold of 100", True, 100, "", lambda found: min(found["drop"]["sold"])),
    Target("drop: sold of 100, at most", False, 100, "", lambda found: max(found["drop"]["sold"])),
    Target("start to ready", False, 3, "s", lambda found: found["running"]["startSeconds"]),
    Target("restart to ready", False, 1.5, "s", lambda found: found["running"]["restartSeconds"]),
    Target("idle: share of a core", False, 1, "%", lambda found: found["running"]["idlePercentOfACore"]),
    Target("idle: memory (PSS)", False, 250, "MiB", lambda found: found["running"]["memoryMiBTogether"]),
)


def as_markdown(found: Found) -> str:
    """The page."""
    sections = (_head, _targets, _rates, _latencies, _processor, _webhook_table, _others)
    return "\n".join(line for section in sections for line in section(found))


def _head(found: Found) -> Iterator[str]:
    about = found["machine"]
    yield f"# Benchmarks, {found['at']} UTC, revision {about['revision']}"
    yield ""
    yield (
        f"{about['cores']} cores of {about['processor']}, {about['memoryGiB']} GiB, {about['system']}, Python "
        f"{about['python']}, {about['database']}. A write of 8 KiB with fdatasync takes "
        f"{found['fdatasyncMilliseconds']} ms. Medians of {found['rounds']} interleaved rounds of "
        f"{found['seconds']:.0f} s. Every operation carries an idempotency key; one webhook is enabled. The server's "
        "HTTP process has one core, the load generator the other; PostgreSQL, deliveries and the receiver take what is "
        "left of both."
    )
    yield ""


def _targets(found: Found) -> Iterator[str]:
    yield "| what | wanted | found | |"
    yield "|---|---|---|---|"
    for target in TARGETS:
        try:
            figure = target.read(found)
        except KeyError:
            continue
        met = figure >= target.bound if target.least else figure <= target.bound
        wanted = f"{'≥' if target.least else '≤'} {target.bound:,g} {target.unit}"
        yield f"| {target.what} | {wanted} | {figure:,.4g} {target.unit} | {'yes' if met else '**no**'} |"
    yield ""


def _rates(found: Found) -> Iterator[str]:
    names = (STOCKWIRE, NO_OP, EACH, ONE)
    yield "Operations a second (of bulk: changes)"
    yield ""
    yield "| scenario | connections | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for name, row in found["scenarios"].items():
        cells = [f"{row['subjects'][one]['perSecond']:,.0f}" if one in row["subjects"] else "" for one in names]
        yield f"| {name}: {row['about']} | {row['connections']} | " + " | ".join(cells) + " |"
    yield ""


def _latencies(found: Found) -> Iterator[str]:
    yield "Milliseconds until the answer"
    yield ""
    yield "| scenario | subject | p50 | p90 | p99 | most |"
    yield "|---|---|---|---|---|---|"
    for name, row in found["scenarios"].items():
        for subject, seen in row["subjects"].items():
            times = seen["milliseconds"]
            cells = " | ".join(f"{times[at]:,.2f}" for at in ("p50", "p90", "p99", "max"))
            yield f"| {name} | {subject} | {cells} |"
    yield ""


def _processor(found: Found) -> Iterator[str]:
    yield "Processor time of an operation, µs, as the system counts it by process"
    yield ""
    yield "| scenario | subject | |"
    yield "|---|---|---|"
    for name, row in found["scenarios"].items():
        for subject, seen in row["subjects"].items():
            yield f"| {name} | {subject} | {_spent(seen['processorMicroseconds'])} |"
    yield ""
    if "where it goes" in found:
        yield "The same by part of the work, without deliveries (HTTP as the no-op; rules and rows metered inside)"
        yield ""
        yield "| scenario | a second | |"
        yield "|---|---|---|"
        for name, row in found["where it goes"].items():
            yield f"| {name} | {row['perSecond']:,} | {_spent(row['microseconds'])} |"
        yield ""


def _spent(parts: dict[str, float]) -> str:
    return ", ".join(f"{part} {value:,.0f}" for part, value in parts.items() if value >= 0.5)


def _webhook_table(found: Found) -> Iterator[str]:
    if "webhooks" not in found:
        return
    yield "A reservation with 1 and with 20 enabled webhooks"
    yield ""
    yield "| way | webhooks | a second | p50 ms | p99 ms | processor µs |"
    yield "|---|---|---|---|---|---|"
    for way, counts in found["webhooks"].items():
        for count, seen in counts.items():
            times = f"{seen['milliseconds']['p50']:.2f} | {seen['milliseconds']['p99']:.2f}"
            yield f"| {way} | {count} | {seen['perSecond']:,.0f} | {times} | {_spent(seen['processorMicroseconds'])} |"
    yield ""


def _others(found: Found) -> Iterator[str]:
    for name in ("beside bulk", "drop", "running"):
        if name in found:
            yield f"`{name}`: {found[name]}"
            yield ""
