"""Encryption of what is stored and must not be read there: signing secrets, credentials, answers that show a secret."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stockwire import private_file
from stockwire.config import WrongSetting

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SHORTEST = 32  # characters of a key
FILE = "secret.key"


class CannotOpen(Exception):  # noqa: N818 - said of a secret, to whoever needs it
    """None of the keys opens this."""


class KeyRing:
    """Several keys, the newest first: the newest seals, any of them opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are texts of at least 32 characters; WrongSetting if there is none or one is shorter."""
        if not keys:
            raise WrongSetting(
                "secret_key",
                "is needed with a database of your own: 32 random characters or more, in STOCKWIRE_SECRET_KEY_FILE",
            )
        if any(len(key) < SHORTEST for key in keys):
            raise WrongSetting("secret_key", f"each key needs {SHORTEST} characters or more")
        self._keys = tuple(keys)
        self._ring: MultiFernet | None = None

    def seal(self, plain: bytes) -> bytes:
        """Encrypt and authenticate."""
        return self._fernet().encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. CannotOpen: with another key, or it was tampered with."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(sealed)
        except InvalidToken:
            raise CannotOpen from None

    def _fernet(self) -> MultiFernet:
        if self._ring is None:
            from cryptography.fernet import Fernet, MultiFernet  # some 8 MB, for those who need it

            digests = (hashlib.sha256(key.encode()).digest() for key in self._keys)
            self._ring = MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
        return self._ring


def own_key(data_dir: Path, *, make: bool = True) -> str:
    """The key of an embedded database, made at the first start and kept beside it, readable by its owner alone.

    WrongSetting: it is not there and may not be made any more, because another sealed what the database holds.
    """
    path = data_dir / FILE
    known = private_file.read(path)
    if known is None and not make:
        raise WrongSetting("secret_key", f"{path} is gone, and with it the key to this database's secrets: restore it")
    if known is None:
        private_file.write(path, base64.urlsafe_b64encode(os.urandom(32)) + b"\n")
        known = private_file.read(path) or b""
    return known.decode().strip()
