"""Log lines are one line each, begin with their event, and hold no secret (R17)."""

import io
import logging
import time
from collections.abc import Iterator

import pytest

from stockwire import logs

SECRETS = [
    "sk_test_acme_0123456789abcdefABCDEF0123456789",
    "pk_live_acme_0123456789abcdefABCDEF0123456789",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("api", "info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_line_that_begins_with_its_name(written: io.StringIO) -> None:
    logs.named("ledger").info("batch_failed", store=1, error='broken "pipe"\nagain', empty="")
    line = written.getvalue()
    assert line.startswith("event=batch_failed level=info time=")
    assert line.endswith(' store=1 error="broken \\"pipe\\"\\nagain" empty=""\n')
    assert line.count("\n") == 1
    assert " process=api " in line


def test_a_library_speaks_through_the_same_line(written: io.StringIO) -> None:
    logging.getLogger("a.library").warning("Bad %s", "request")
    assert written.getvalue().startswith("event=log level=warning ")
    assert 'logger=a.library message="Bad request"' in written.getvalue()


@pytest.mark.parametrize("secret", SECRETS)
def test_r17_no_key_reaches_the_log_by_any_way(written: io.StringIO, secret: str) -> None:
    log = logs.named("api")
    log.info("seen", key=secret, inside=f"before {secret}, after", mapping={"key": secret}, listed=[secret.encode()])
    logging.getLogger("httpx").error("GET /?key=%s", secret)
    try:
        raise ValueError(f"wrong key {secret}")
    except ValueError:
        log.error("failed", exc_info=True)
    assert secret not in written.getvalue()
    assert secret[-12:] not in written.getvalue()
    assert written.getvalue().count(logs.HIDDEN) >= 6


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hush-hush",
        "authorization: hush-hush",
        "{'Authorization': 'Basic hush-hush', 'Accept': 'x'}",
        '{"authorization": "hush-hush"}',
        "[(b'authorization', b'hush-hush')]",
        "Proxy-Authorization: Basic hush-hush",
        "Cookie: session=hush-hush; other=hush-hush",
        "Set-Cookie: session=hush-hush; Path=/",
        "[(b'cookie', b'a=hush-hush')]",
        "token Bearer hush-hush",
        "postgresql://stockwire:hush-hush@db/stockwire",
        "https://user:hush-hush@proxy:3128",
    ],
)
def test_r17_headers_and_passwords_in_addresses_are_hidden(text: str) -> None:
    shown = logs.redact(text)
    assert "hush" not in shown
    assert logs.HIDDEN in shown
    assert logs.redact(logs.quoted(text).replace('"', "")).count("hush") == 0


def test_plain_text_stays_as_it_is() -> None:
    text = "task_id=7 risk_level low, 2 units of part sku-1 at http://127.0.0.1:8080/v1/items?x=1"
    assert logs.redact(text) == text


def test_a_value_is_bounded(written: io.StringIO) -> None:
    logs.named("api").info("long", text="x" * 100_000)
    assert len(written.getvalue()) < 2 * logs.MAX_VALUE_CHARACTERS


@pytest.mark.parametrize(
    "unit", ["a", "a://", "a://b:", "cookie", "basic ", "sk_", "x@", "authorization: ", "'", "a.b"]
)
def test_hiding_takes_time_in_proportion_to_the_text(unit: str) -> None:
    """What a receiver answers is hidden from too; 64 kB of one letter once took a minute."""
    text = unit * (65_536 // len(unit))
    began = time.perf_counter()
    logs.redact(text)
    assert time.perf_counter() - began < 1
