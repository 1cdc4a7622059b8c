"""R22: the signature headers, against published vectors and the public verifiers."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix

from stockwire.delivery.signing import SigningSecret, signature_headers

OLD = "whsec_" + base64.b64encode(b"the older secret, 32 bytes long.").decode()
NEW = "whsec_" + base64.b64encode(b"the newer secret, 32 bytes long.").decode()
BODY = json.dumps({"id": "e", "reason": "Zürich · 庫存"}, ensure_ascii=False).encode()

# Published test vectors of Standard Webhooks and of Svix: secret, id, timestamp, body, signature.
VECTORS = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
]


def signed(*secrets: str, attempt: int = 1, timestamp: int | None = None, body: bytes = BODY) -> dict[str, str]:
    at = int(time.time()) if timestamp is None else timestamp
    return signature_headers([SigningSecret.of(secret) for secret in secrets], "evt-1", at, body, attempt)


@pytest.mark.parametrize(("secret", "id_", "timestamp", "body", "signature"), VECTORS)
def test_published_vectors(secret: str, id_: str, timestamp: int, body: bytes, signature: str) -> None:
    headers = signature_headers([SigningSecret.of(secret)], id_, timestamp, body, 1)
    assert headers["webhook-signature"] == signature
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (id_, str(timestamp))


@pytest.mark.parametrize("verifier", [standardwebhooks.Webhook, svix.Webhook])
@pytest.mark.parametrize("attempt", [1, 2])
def test_public_verifiers_accept_each_secret_of_a_rotation(verifier: type, attempt: int) -> None:
    headers = signed(NEW, OLD, attempt=attempt)
    for secret in (NEW, OLD):
        verifier(secret).verify(BODY, headers)
    stranger = "whsec_" + base64.b64encode(b"a secret that nobody here holds.").decode()
    with pytest.raises(Exception, match="No matching signature"):
        verifier(stranger).verify(BODY, headers)
    with pytest.raises(Exception, match="No matching signature"):
        verifier(NEW).verify(BODY + b" ", headers)


def test_newest_secret_signs_first_and_entries_are_parted_by_one_space() -> None:
    both, newest = signed(NEW, OLD, timestamp=7), signed(NEW, timestamp=7)
    assert both["webhook-signature"].split(" ")[0] == newest["webhook-signature"]
    assert [entry.count(",") for entry in both["webhook-signature"].split(" ")] == [1, 1]


def known_verifier_accepts(header: str, body: bytes, secret: str) -> bool:
    """As the one known consumer reads it: parted at comma and space, only the second part is compared."""
    timestamp, signature = header.split(", ")[:2]
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return base64.b64encode(mac.digest()).decode() == signature


def test_older_scheme_is_keyed_with_the_secret_as_shown() -> None:
    header = signed(NEW, timestamp=1_700_000_000)["DigitalRiver-Signature"]
    assert header.startswith("1700000000, ")
    assert known_verifier_accepts(header, BODY, NEW)
    assert not known_verifier_accepts(header, BODY, OLD)


def test_older_scheme_turns_the_order_with_the_attempt_r22() -> None:
    first, second, third = (signed(NEW, OLD, attempt=n)["DigitalRiver-Signature"] for n in (1, 2, 3))
    assert [known_verifier_accepts(header, BODY, NEW) for header in (first, second, third)] == [True, False, True]
    assert [known_verifier_accepts(header, BODY, OLD) for header in (first, second, third)] == [False, True, False]
    assert len(first.split(", ")) == 3


def test_five_live_secrets_all_sign() -> None:
    secrets = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in range(5)]
    headers = signed(*secrets)
    for secret in secrets:
        standardwebhooks.Webhook(secret).verify(BODY, headers)


@pytest.mark.parametrize("text", ["w", "whsec_", "whsec_%", "whsec_abc", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_ü"])
def test_what_is_no_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as caught:
        SigningSecret.of(text)
    assert text.removeprefix("whsec_") not in str(caught.value) or len(text) < 7


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="live secret"):
        signature_headers([], "e", int(datetime.now(UTC).timestamp()), b"{}", 1)
