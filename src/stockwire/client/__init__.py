"""The Python client: everything the API can do, asynchronously, with safe repetition built in.

Every write carries an idempotency key, and a request that got no answer is sent again with the same key, so it takes
effect once however often it was sent.
"""

from stockwire.client.errors import ApiError, Fault
from stockwire.client.shapes import Change, Event, Item, Level, Line, NewItem, Order, Product, Reservation, Webhook
from stockwire.client.stockwire import Stockwire
from stockwire.client.transport import Retries
from stockwire.client.webhook import VerificationError, verify_webhook

__all__ = [
    "ApiError",
    "Change",
    "Event",
    "Fault",
    "Item",
    "Level",
    "Line",
    "NewItem",
    "Order",
    "Product",
    "Reservation",
    "Retries",
    "Stockwire",
    "VerificationError",
    "Webhook",
    "verify_webhook",
]
