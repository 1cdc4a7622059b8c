"""Where the demonstration keeps its things: what it remembers, and what it must never remove."""

import os
from pathlib import Path

import pytest

from stockwire.demo.children import ChildFailedError
from stockwire.demo.keys import admin_key
from stockwire.demo.place import Finished, NotOursError, Place, default_place


def test_a_finished_replay_is_remembered_and_a_torn_note_is_none(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    assert (place.finished(), place.begun()) == (None, False)
    place.prepare()
    finished = Finished("2026-01-01", True, "w", "fine")
    place.remember(finished)
    assert (place.finished(), place.begun()) == (finished, True)
    (place.demo / "finished.json").write_text('{"at":"2026')
    assert place.finished() is None


def test_only_what_the_demonstration_made_is_removed(tmp_path: Path) -> None:
    own, foreign, empty = (Place(tmp_path / name) for name in ("own", "foreign", "empty"))
    own.prepare()
    own.clear()
    assert not own.data_dir.exists()
    foreign.data_dir.mkdir()
    (foreign.data_dir / "postgres").mkdir()
    with pytest.raises(NotOursError, match="something else"):
        foreign.clear()
    assert (foreign.data_dir / "postgres").is_dir()
    empty.clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as somebody else")
def test_root_keeps_its_things_where_the_databases_account_can_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir(mode=0o700)
    monkeypatch.chdir(checkout)
    place = default_place()
    assert place.data_dir.parent == Path("/var/lib")
    assert place.data_dir == default_place().data_dir
    monkeypatch.chdir("/")
    assert default_place().data_dir == Path("/data")


@pytest.mark.parametrize("content", [None, "nonsense", "[]", '{"keys":[{"role":"viewer","key":"sk_test_x"}]}'])
def test_missing_keys_are_said_without_showing_any(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "first-keys.json").write_text(content)
    with pytest.raises(ChildFailedError, match=r"first-keys\.json") as failed:
        admin_key(tmp_path)
    assert "sk_test" not in str(failed.value)
