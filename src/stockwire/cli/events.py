"""`stockwire events`: watch what is published."""

from typing import Annotated

import msgspec
import typer

from stockwire.cli.calling import call
from stockwire.client import Event, Stockwire

app = typer.Typer(help="Watch the events that the server publishes.", no_args_is_help=True)

After = Annotated[
    int | None,
    typer.Option(
        min=0, help="Begin behind this position (0: everything that is kept); without it, with what happens next."
    ),
]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="Only this type; may end in *, and be given several times.")
]
Part = Annotated[str | None, typer.Option(help="Only events of this part number.")]
Count = Annotated[int | None, typer.Option(min=1, help="End after this many events.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line, as published.")]


@app.callback()
def events() -> None:
    """Watch the events that the server publishes."""


@app.command()
def tail(
    *, after: After = None, types: Types = None, part: Part = None, count: Count = None, as_json: Json = False
) -> None:
    """Show events as they happen, until Ctrl-C.

    A lost connection is taken up where it broke.

    Set STOCKWIRE_KEY, and STOCKWIRE_URL if the server is not at http://127.0.0.1:8080.

    Examples:

      stockwire events tail

      stockwire events tail --type inventory.out_of_stock --type inventory.back_in_stock

      stockwire events tail --after 0 --json > all-events.jsonl
    """

    async def work(shop: Stockwire) -> None:
        seen = 0
        async for event in shop.events.stream(after=after, types=types, part_number=part):
            typer.echo(msgspec.json.encode(event).decode() if as_json else in_words(event))
            seen += 1
            if seen == count:
                return

    call(work)


def in_words(event: Event) -> str:
    """One event as one line: position, time, type, and what became of which part."""
    thing = event.data.object
    at = event.created_time.strftime("%H:%M:%S.%f")[:-3] if event.created_time else "-"
    before = event.data.previous_attributes.get("quantity")
    quantity = thing.get("quantity")
    change = f"{before} → {quantity}" if before is not None else f"{quantity}" if quantity is not None else ""
    words = (thing.get("partNumber") or thing.get("id") or "", thing.get("fulfiller") or "", change, thing.get("cause"))
    about = "  ".join(str(word) for word in words if word)
    return f"{event.position or '-':>9}  {at}  {event.type:<36} {about}"
