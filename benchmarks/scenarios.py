"""The scenarios: what traffic, and which subjects are measured side by side."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Traffic
from benchmarks.traffic import BULK_CHANGES, PLENTY, hot_part, invoices, wide_parts

SLICE = Path(__file__).resolve().parent.parent / "src" / "stockwire" / "demo" / "online_retail_slice.csv.gz"
STOCKWIRE, NO_OP, EACH, ONE = "stockwire", "no-op", "honest app", "honest app, one statement"
SIDE_BY_SIDE = (NO_OP, EACH, ONE, STOCKWIRE)
UNITS = PLENTY


class Scenario(NamedTuple):
    """One row of the results. `about` is what a reader is told."""

    name: str
    about: str
    traffic: Traffic
    subjects: tuple[str, ...]


def scenarios(files: list[str]) -> list[Scenario]:
    """Every scenario that is measured in interleaved rounds."""
    shape = {"files": files}
    return [
        Scenario("hot", "orders of one line for one part number", Traffic("hot_orders", 256), SIDE_BY_SIDE),
        Scenario("hot adjust", "units added to one part number", Traffic("hot_adjusts", 256), SIDE_BY_SIDE),
        Scenario("wide", "orders of one line, 10,000 part numbers by Zipf", Traffic("wide_orders", 256), SIDE_BY_SIDE),
        Scenario("wide adjust", "units added, 10,000 part numbers by Zipf", Traffic("wide_adjusts", 256), SIDE_BY_SIDE),
        Scenario("shaped", "real invoices as orders", Traffic("shaped_orders", 64, shape), (NO_OP, EACH, STOCKWIRE)),
        Scenario("lone", "orders of one line, one client", Traffic("hot_orders", 1), (EACH, ONE, STOCKWIRE)),
        Scenario(
            "bulk",
            "requests of 10,000 `set`, counted in changes",
            Traffic("bulk_sets", 1, {}, BULK_CHANGES),
            (STOCKWIRE,),
        ),
    ]


def catalogue(files: list[str]) -> list[str]:
    """Every part number that any scenario names."""
    shaped = {part for lines in invoices(files) for part, _ in lines}
    return [hot_part(), *wide_parts(BULK_CHANGES), *sorted(shaped)]
