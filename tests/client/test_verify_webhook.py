"""`verify_webhook` against published vectors, the public library as signer, and everything that must not pass."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as PublicSigner

from stockwire.client import VerificationError, verify_webhook
from stockwire.client.webhook import verify_signature

# Facts from the public test suites of Standard Webhooks and Svix.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, SENT_AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
RIGHT = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

EVENT = {"id": "e1", "type": "inventory.out_of_stock", "data": {"object": {"quantity": 0}, "new": 1}, "position": 7}


def headers(signature: str, timestamp: object = SENT_AT) -> dict[str, str]:
    return {"webhook-id": MESSAGE, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@pytest.mark.parametrize(
    "signature",
    [
        RIGHT,
        f"{WRONG} {RIGHT}",
        f"{WRONG} v2,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {RIGHT} {WRONG}",
        f"broken {RIGHT}",
        f"{WRONG}  {RIGHT}",
        f"v1,??? v1a,aaaa {RIGHT}",
    ],
)
def test_right_signatures_of_the_public_vectors_pass(signature: str) -> None:
    verify_signature(BODY, headers(signature), SECRET, 300, now=SENT_AT)


def test_the_second_public_vector_passes() -> None:
    given = {
        "Webhook-Id": "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "Webhook-Timestamp": "1649367553",
        "Webhook-Signature": "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    }
    body = b'{"email":"test@example.com","username":"test_user"}'
    verify_signature(body, given, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", 300, now=1649367553)


@pytest.mark.parametrize(
    ("given", "body", "why"),
    [
        (headers("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="), BODY, "no signature matches"),
        (headers(RIGHT), BODY + b" ", "no signature matches"),
        (headers(RIGHT) | {"webhook-id": "msg_other"}, BODY, "no signature matches"),
        (headers(RIGHT.replace("v1", "v2")), BODY, "no signature matches"),
        (headers("v1,"), BODY, "no signature matches"),
        (headers(""), BODY, "webhook-signature"),
        ({}, BODY, "webhook-id"),
        (headers(RIGHT, "soon"), BODY, "number of seconds"),
        (headers(RIGHT, "１６１４２６５３３０"), BODY, "number of seconds"),
        (headers(RIGHT, SENT_AT + 301), BODY, "clock"),
        (headers(RIGHT, SENT_AT - 301), BODY, "clock"),
    ],
)
def test_everything_else_is_refused(given: dict[str, str], body: bytes, why: str) -> None:
    with pytest.raises(VerificationError, match=why):
        verify_signature(body, given, SECRET, 300, now=SENT_AT)


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_%", "whsec_ü", "whsec_A"])
def test_a_secret_that_is_none_is_the_callers_fault(secret: str) -> None:
    with pytest.raises(ValueError, match="secret") as fault:
        verify_signature(BODY, headers(RIGHT), secret, 300, now=SENT_AT)
    assert not isinstance(fault.value, VerificationError)


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        verify_signature(BODY, headers(RIGHT), [], 300, now=SENT_AT)


def test_an_event_signed_by_the_public_library_comes_back_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(EVENT)
    sent = datetime.fromtimestamp(SENT_AT, tz=UTC)
    signature = PublicSigner(SECRET).sign(MESSAGE, sent, body)
    monkeypatch.setattr("time.time", lambda: SENT_AT + 299.0)
    event = verify_webhook(body.encode(), headers(signature), ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SECRET])
    assert (event.id, event.type, event.position) == ("e1", "inventory.out_of_stock", 7)
    assert event.data.object == {"quantity": 0}


def test_a_signed_body_that_is_no_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: float(SENT_AT))
    with pytest.raises(VerificationError, match="not an event"):
        verify_webhook(BODY, headers(RIGHT), SECRET)


def test_every_signature_is_compared_with_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(a == b)
        return a == b

    monkeypatch.setattr("hmac.compare_digest", compare)
    verify_signature(BODY, headers(f"{RIGHT} {WRONG}"), [SECRET, "whsec_QUJD"], 300, now=SENT_AT)
    assert compared == [True, False, False, False]
