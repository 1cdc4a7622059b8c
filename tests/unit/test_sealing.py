"""Secrets at rest: sealed by the newest key, opened by any, and never by another (R25)."""

import stat
from pathlib import Path

import pytest

from stockwire.config import WrongSetting
from stockwire.sealing import CannotOpen, KeyRing, own_key

OLD, NEW = "o" * 32, "n" * 32


def test_what_is_sealed_is_opened_and_shows_nothing() -> None:
    ring = KeyRing((NEW,))
    sealed = ring.seal(b"whsec_secret")
    assert b"secret" not in sealed
    assert ring.open(sealed) == b"whsec_secret"
    assert ring.seal(b"whsec_secret") != sealed


def test_the_newest_key_seals_and_every_key_opens() -> None:
    before = KeyRing((OLD,)).seal(b"x")
    both = KeyRing((NEW, OLD))
    assert both.open(before) == b"x"
    assert KeyRing((NEW,)).open(both.seal(b"y")) == b"y"
    with pytest.raises(CannotOpen):
        KeyRing((NEW,)).open(before)


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-1], lambda s: b"", lambda s: s[:20] + b"A" + s[21:], lambda s: b"\xff"]
)
def test_what_was_tampered_with_does_not_open(spoil: object) -> None:
    ring = KeyRing((NEW,))
    with pytest.raises(CannotOpen):
        ring.open(spoil(ring.seal(b"x")))


@pytest.mark.parametrize("keys", [(), ("short",), (NEW, "short")])
def test_a_key_that_can_be_guessed_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(WrongSetting, match=r"^secret_key: ") as refused:
        KeyRing(keys)
    assert "short" not in str(refused.value).replace("is shorter", "")


def test_the_embedded_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    key = own_key(tmp_path)
    assert own_key(tmp_path) == key
    assert len(key) >= 32
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    (tmp_path / "secret.key").unlink()
    with pytest.raises(WrongSetting, match=r"secret\.key is gone, and with it the key"):
        own_key(tmp_path, make=False)
    assert not list(tmp_path.iterdir())
    assert own_key(tmp_path) != key


def test_a_key_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(NEW)
    (tmp_path / "secret.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        own_key(tmp_path)
