"""Commands that talk to a server: what they send, what they print, and the one line when it goes wrong."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from aiohttp import web
from typer.testing import CliRunner, Result

from stockwire import config
from stockwire.cli import events, export, items, program, replay
from tests.client.fake_server import FakeServer, says, serving

EVENT = {
    "id": "e1",
    "type": "inventory.out_of_stock",
    "data": {
        "object": {"partNumber": "85123A", "quantity": 0, "cause": "order"},
        "previousAttributes": {"quantity": 2},
    },
    "createdTime": "2026-02-06T09:07:01.384512Z",
    "position": 12,
}
ITEM = {"id": "i1", "partNumber": "A", "fulfiller": "Own", "quantity": 3}


def commands() -> typer.Typer:
    app = typer.Typer()
    app.add_typer(events.app, name="events")
    app.add_typer(items.app, name="items")
    app.command("export")(export.export)
    app.command("replay")(replay.replay)
    return app


async def run(server: FakeServer | None, *arguments: str, **environment: str) -> Result:
    settings = {"STOCKWIRE_URL": server.url, "STOCKWIRE_KEY": "sk_test_x"} if server else {}
    runner = CliRunner(env={**settings, **environment})
    return await asyncio.to_thread(lambda: runner.invoke(commands(), arguments))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOCKWIRE_URL", "STOCKWIRE_KEY", "STOCKWIRE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["events tail", "items import", "items export", "export", "replay"])
async def test_help_teaches_with_examples(name: str) -> None:
    done = await run(None, *name.split(), "--help", COLUMNS="120")
    assert done.exit_code == 0
    assert "Examples:" in done.output
    assert f"stockwire {name}" in done.output


@pytest.mark.parametrize("setting", ["port", "role", "data_dir"])
async def test_help_names_each_settings_default_and_variable(setting: str) -> None:
    row = next(row for row in config.TABLE if row.name == setting)
    done = CliRunner().invoke(program("serve"), ["serve", "--help"], env={"COLUMNS": "300"})
    assert f"[default: {row.default}; {row.variable}]" in done.output


async def test_it_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    done = CliRunner().invoke(program(None), ["--version"])
    assert (done.exit_code, done.output) == (0, "stockwire 1.2.3\n")


async def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    async with serving() as fake:
        pass
    done = await run(fake, "items", "export")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"stockwire: no answer from {fake.url}")
    assert "stockwire serve" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_wrong_key_is_one_clear_line() -> None:
    async with serving(says(401, {"type": "unauthorized", "errors": []})) as fake:
        done = await run(fake, "export")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "does not accept this key" in done.stderr
    assert "sk_test_x" not in done.output


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "STOCKWIRE_KEY"),
        ({"STOCKWIRE_URL": "localhost"}, "setting url"),
        ({"STOCKWIRE_KEY_FILE": "/nothere"}, "STOCKWIRE_KEY_FILE"),
        ({"STOCKWIRE_QEY": "x"}, "STOCKWIRE_QEY"),
    ],
)
async def test_a_missing_or_wrong_setting_is_named(settings: dict[str, str], named: str) -> None:
    done = await run(None, "items", "export", **settings)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert named in done.stderr


async def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk_test_filed\n")
    async with serving(says(200, {"data": []})) as fake:
        done = await run(fake, "items", "export", STOCKWIRE_KEY="", STOCKWIRE_KEY_FILE=str(tmp_path / "key"))
    assert done.exit_code == 0
    assert fake.seen[0]["headers"]["Authorization"] == "Bearer sk_test_filed"


async def test_the_tail_shows_each_event_as_a_line_and_ends_after_its_count() -> None:
    async def streaming(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"id: 12\ndata: {json.dumps(EVENT)}\n\n".encode())
        return response

    async with serving(streaming, streaming) as fake:
        words = await run(fake, "events", "tail", "--after", "11", "--count", "1", "--type", "inventory.*")
        bare = await run(fake, "events", "tail", "--count", "1", "--json")
    assert words.stdout.split() == ["12", "09:07:01.384", "inventory.out_of_stock", "85123A", "2", "→", "0", "order"]
    assert json.loads(bare.stdout) == EVENT | {"data": EVENT["data"], "liveMode": False}
    assert (fake.seen[0]["query"], fake.seen[0]["headers"]["Last-Event-ID"]) == ({"types": "inventory.*"}, "11")


async def test_import_makes_what_is_new_and_names_each_refused_line(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("partNumber,quantity\nA,1\nB,x\nC,3\n")
    exists = {
        "status": "refused",
        "error": {"type": "conflict", "errors": [{"code": "already_exists", "message": "C exists"}]},
    }
    async with serving(says(200, {"results": [{"status": "applied"}, exists]})) as fake:
        done = await run(fake, "items", "import", str(file))
    assert json.loads(fake.seen[0]["body"]) == {
        "items": [{"partNumber": "A", "quantity": 1}, {"partNumber": "C", "quantity": 3}]
    }
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "line 3: quantity 'x' is not a whole number from 0 to 9007199254740991",
        "line 4: C exists (--update changes it)",
        "1 items imported, 2 lines refused",
    ]


async def test_import_updates_what_exists_when_told_to(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("partNumber,quantity,lowStockThreshold\nA,5,2\n")
    exists = {"status": "refused", "error": {"type": "conflict", "errors": [{"code": "already_exists", "id": "i1"}]}}
    answers = [{"results": [exists]}, ITEM, {"results": [{"status": "applied"}]}]
    async with serving(*[says(200, answer) for answer in answers]) as fake:
        done = await run(fake, "items", "import", str(file), "--update")
    assert done.exit_code == 0
    assert [seen["method"] for seen in fake.seen] == ["POST", "PATCH", "POST"]
    assert json.loads(fake.seen[1]["body"]) == {"lowStockThreshold": 2}
    assert json.loads(fake.seen[2]["body"])["changes"] == [
        {"type": "set", "partNumber": "A", "quantity": 5, "reason": "import"}
    ]


async def test_very_many_refused_lines_are_counted_not_listed(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("partNumber,quantity\n" + "A,x\n" * 150)
    done = await run(None, "items", "import", str(tmp_path / "items.csv"), "--dry-run")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 102
    assert done.stderr.splitlines()[-2] == "… and 50 more lines"


async def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("partNumber\nA\n")
    done = await run(None, "items", "import", str(tmp_path / "items.csv"), "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "1 items could be sent, 0 lines not; nothing was sent\n")


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("sku\n1\n", "unknown column 'sku'")])
async def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "items.csv"
    if content is not None:
        file.write_text(content)
    done = await run(None, "items", "import", str(file))
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert why in done.stderr
    assert "Errno" not in done.stderr


async def test_export_writes_everything_page_by_page_with_the_events_bytes(tmp_path: Path) -> None:
    item = {"id": "i1", "new": True}
    answers = [
        says(200, {"data": [item], "hasMore": False}),
        says(200, {"data": [{"id": "m1"}], "hasMore": True}),
        says(200, {"data": [{"id": "m2"}], "hasMore": False}),
        says(200, {"data": [EVENT], "hasMore": False, "nextAfter": 12}),
    ]
    async with serving(*answers) as fake:
        done = await run(fake, "export", str(tmp_path / "x.jsonl"), "--only", "movement", "--only", "event")
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines[:2]] == [
        {"kind": "movement", "data": {"id": "m1"}},
        {"kind": "movement", "data": {"id": "m2"}},
    ]
    assert lines[2] == '{"kind":"event","data":' + json.dumps(EVENT) + "}"
    assert fake.seen[2]["query"] == {"limit": "1000", "inventoryItemId": "i1", "order": "asc", "startingAfter": "m1"}


async def test_replay_of_a_file_in_another_format_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    done = await run(None, "replay", str(tmp_path / "a.csv"), STOCKWIRE_KEY="k")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "no column InvoiceNo" in done.stderr
