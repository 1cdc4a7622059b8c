"""The signature headers of one attempt: Standard Webhooks v1, and `DigitalRiver-Signature` for those who parse it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

PREFIX = "whsec_"


class SigningSecret(NamedTuple):
    """One live secret of an endpoint. The two schemes take different bytes of the same string as their key."""

    shown: bytes  # the whole string as its owner sees it
    decoded: bytes  # what stands base64-encoded behind `whsec_`

    @classmethod
    def of(cls, text: str) -> SigningSecret:
        """Raises ValueError, without the text, unless it is `whsec_` and base64."""
        if not text.startswith(PREFIX):
            raise ValueError("a signing secret begins with whsec_")
        try:
            decoded = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except ValueError:  # binascii's, and its refusal of what is not ASCII
            decoded = b""
        if not decoded:
            raise ValueError("a signing secret is base64 after whsec_")
        return cls(text.encode(), decoded)


def signature_headers(
    secrets: Sequence[SigningSecret], event_id: str, timestamp: int, body: bytes, attempt: int
) -> dict[str, str]:
    """Headers over exactly these bytes. `secrets` are the live ones, newest first; `timestamp` is in Unix seconds.

    Public verifiers break on a second space or comma, so entries of `webhook-signature` are joined by one space.
    """
    if not secrets:
        raise ValueError("nothing signs without a live secret")
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    older = b"%d.%s" % (timestamp, body)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join("v1," + _mac(secret.decoded, signed) for secret in secrets),
        "DigitalRiver-Signature": ", ".join(
            [str(timestamp), *(_mac(secret.shown, older) for secret in _turned(secrets, attempt))]
        ),
    }


def _turned(secrets: Sequence[SigningSecret], attempt: int) -> Sequence[SigningSecret]:
    # A known verifier reads only the first signature: turned, one attempt in two fits either secret (R22).
    return secrets if attempt % 2 else secrets[::-1]


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
