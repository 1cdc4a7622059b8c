"""A webhook receiver: believes only what is signed, writes it down, and only then says thank you.

    python examples/receiver.py --port 9000 --out received.jsonl --secret whsec_…

Each line of the file is one event, byte for byte as it came. The secret may also stand in a file (--secret-file) or in
STOCKWIRE_WEBHOOK_SECRET. An event may come twice: whoever acts on it remembers `id`.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from pathlib import Path

import uvicorn

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=9000)
parser.add_argument("--out", "--file", type=Path, default=Path("received.jsonl"))
parser.add_argument("--secret", default=os.environ.get("STOCKWIRE_WEBHOOK_SECRET"))
parser.add_argument("--secret-file", type=Path)
parser.add_argument("--quiet", action="store_true", help="do not print a line for each event")
options = parser.parse_args()
secret = options.secret_file.read_text().strip() if options.secret_file else options.secret
if not secret:
    parser.error("a secret is needed: --secret, --secret-file or STOCKWIRE_WEBHOOK_SECRET")
KEY = base64.b64decode(secret.removeprefix("whsec_"))
OUT = options.out.open("ab", buffering=0)  # unbuffered: written before we answer


def signed_by_us(headers: dict[bytes, bytes], body: bytes) -> bool:
    """Standard Webhooks: one of the signatures is HMAC-SHA256 over `id.timestamp.body`, and it is not old."""
    timestamp = headers.get(b"webhook-timestamp", b"")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = b"%s.%s.%s" % (headers.get(b"webhook-id", b""), timestamp, body)
    expected = b"v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256))
    given = headers.get(b"webhook-signature", b"").split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in given)


async def receive(scope, read, send) -> None:
    body, more = b"", True
    while more and len(body) < 100_000:
        message = await read()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = dict(scope["headers"])
    believed = not more and b"\n" not in body and signed_by_us(headers, body)
    if believed:
        OUT.write(body + b"\n")
    if not options.quiet:
        said = f"received {json.loads(body)['type']}" if believed else "REFUSED"
        print(said, headers.get(b"webhook-id", b"(not signed)").decode("latin-1"), flush=True)
    status = 204 if believed else 401
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


uvicorn.run(receive, host="127.0.0.1", port=options.port, lifespan="off", log_level="warning", access_log=False)
