"""Every route: routing, role checks, the OpenAPI document, `/docs` and the tests are made from this table."""

from __future__ import annotations

from stockwire.api import (
    answers,
    changes,
    deliveries,
    docs,
    events,
    explain,
    health,
    item_bodies,
    items,
    levels,
    metrics,
    movements,
    openapi,
    orders,
    promises,
    reservations,
    service,
    stream,
    webhook_answers,
    webhook_bodies,
    webhooks,
)
from stockwire.api.route import ADMIN, EVERYBODY, FULFILLER, READERS, WRITERS, Route

_SEEING = READERS | FULFILLER

ROUTES: tuple[Route, ...] = (
    # ---- items
    Route(
        method="POST", path="/v1/inventory-items", handler=items.create, roles=ADMIN,
        summary="Make an item, or up to 10,000.", body=item_bodies.NEW,
        answer=(answers.Item, answers.ItemResults), status=201, also=(200,),
    ),
    Route(
        method="GET", path="/v1/inventory-items", handler=items.listed, roles=_SEEING,
        summary="List items, newest first.", query=items.QUERY, answer=answers.ItemPage,
    ),
    Route(
        method="GET", path="/v1/inventory-items/{id}", handler=items.one, roles=_SEEING,
        summary="One item.", answer=answers.Item,
    ),
    Route(
        method="PATCH", path="/v1/inventory-items/{id}", handler=items.edit, roles=ADMIN,
        summary="Edit an item's policy, products and attributes.", body=item_bodies.EDIT, answer=answers.Item,
    ),
    Route(
        method="POST", path="/v1/inventory-items/{id}", handler=items.edit, roles=ADMIN,
        summary="Edit an item.", body=item_bodies.EDIT, answer=answers.Item, alias_of="PATCH",
    ),
    Route(
        method="DELETE", path="/v1/inventory-items/{id}", handler=items.delete, roles=ADMIN,
        summary="Delete an item that holds and promises nothing.", status=204, refusals=(409,),
    ),
    Route(
        method="GET", path="/v1/inventory-items/{id}/explain", handler=explain.explain, roles=READERS,
        summary="What is behind each number of an item.", query=explain.QUERY, answer=answers.Explanation,
    ),
    # ---- levels, changes, movements
    Route(
        method="GET", path="/v1/inventory-levels", handler=levels.listed, roles=_SEEING,
        summary="How much there is, now or at a past time.", query=levels.QUERY, answer=answers.LevelPage,
    ),
    Route(
        method="POST", path="/v1/inventory-changes", handler=changes.change, roles=WRITERS | FULFILLER,
        summary="Change stock: one change, or up to 10,000.", body=changes.BODY,
        answer=(answers.Changed, answers.ChangeResults),
    ),
    Route(
        method="GET", path="/v1/inventory-movements", handler=movements.listed, roles=_SEEING,
        summary="The ledger of an item.", query=movements.QUERY, answer=answers.MovementPage,
    ),
    # ---- reservations and orders
    Route(
        method="POST", path="/v1/reservations", handler=reservations.reserve, roles=WRITERS,
        summary="Hold units for a basket, all lines or none.", body=reservations.NEW,
        answer=answers.Reservation, status=201, also=(200,),
    ),
    Route(
        method="GET", path="/v1/reservations", handler=promises.reservations, roles=READERS,
        summary="List reservations, newest first.", query=promises.RESERVATIONS, answer=answers.ReservationPage,
    ),
    Route(
        method="GET", path="/v1/reservations/{id}", handler=promises.reservation, roles=READERS,
        summary="One reservation.", answer=answers.Reservation,
    ),
    Route(
        method="DELETE", path="/v1/reservations/{id}", handler=reservations.release, roles=WRITERS,
        summary="Give a reservation's units back.", status=204, refusals=(409,),
    ),
    Route(
        method="POST", path="/v1/reservations/{id}/extend", handler=reservations.extend, roles=WRITERS,
        summary="Move the end of a live reservation.", body=reservations.EXTENSION, answer=answers.Reservation,
    ),
    Route(
        method="POST", path="/v1/orders", handler=orders.place, roles=WRITERS,
        summary="Submit an order, from a reservation or from stock.", body=orders.NEW,
        answer=answers.Order, status=201, also=(200,),
    ),
    Route(
        method="GET", path="/v1/orders", handler=promises.orders, roles=READERS,
        summary="List orders, newest first.", query=promises.ORDERS, answer=answers.OrderPage,
    ),
    Route(
        method="GET", path="/v1/orders/{id}", handler=promises.order, roles=READERS,
        summary="One order.", answer=answers.Order,
    ),
    Route(
        method="POST", path="/v1/orders/{id}/shipments", handler=orders.ship, roles=WRITERS,
        summary="Units leave the building.", body=orders.SOME_UNITS, body_optional=True, answer=answers.Order,
    ),
    Route(
        method="POST", path="/v1/orders/{id}/cancel", handler=orders.cancel, roles=WRITERS,
        summary="Open units are no longer promised.", body=orders.SOME_UNITS, body_optional=True,
        answer=answers.Order,
    ),
    Route(
        method="POST", path="/v1/orders/{id}/returns", handler=orders.take_back, roles=WRITERS,
        summary="Shipped units come back.", body=orders.RETURNED, answer=answers.Order,
    ),
    # ---- events
    Route(
        method="GET", path="/v1/events", handler=events.listed, roles=_SEEING,
        summary="List events, newest first; with `after` the feed, in order.", query=events.QUERY,
        answer=(answers.EventPage, answers.Feed), refusals=(409, 410),
    ),
    Route(
        method="GET", path="/v1/events/stream", handler=stream.stream, roles=_SEEING,
        summary="The feed as server-sent events, resumable with Last-Event-ID.", query=stream.QUERY,
        kind="text/event-stream", refusals=(409, 410, 429),
    ),
    Route(
        method="GET", path="/v1/events/{id}", handler=events.one, roles=_SEEING,
        summary="One event.", answer=answers.Event,
    ),
    # ---- webhooks and their deliveries
    Route(
        method="POST", path="/v1/webhooks", handler=webhooks.create, roles=ADMIN,
        summary="Subscribe an address to types of events; the answer holds the first secret.",
        body=webhook_bodies.NEW, answer=webhook_answers.CreatedWebhook, status=201,
    ),
    Route(
        method="GET", path="/v1/webhooks", handler=webhooks.listed, roles=READERS,
        summary="List and search webhooks, newest first.", query=webhooks.QUERY, answer=webhook_answers.WebhookPage,
    ),
    Route(
        method="GET", path="/v1/webhooks/{id}", handler=webhooks.one, roles=READERS,
        summary="One webhook, and how its deliveries fare.", answer=webhook_answers.Webhook,
    ),
    Route(
        method="PATCH", path="/v1/webhooks/{id}", handler=webhooks.edit, roles=ADMIN,
        summary="Edit a webhook, switch it on or off.", body=webhook_bodies.EDIT, answer=webhook_answers.Webhook,
    ),
    Route(
        method="DELETE", path="/v1/webhooks/{id}", handler=webhooks.delete, roles=ADMIN,
        summary="End a subscription.", status=204,
    ),
    Route(
        method="GET", path="/v1/webhooks/{id}/secrets", handler=webhooks.secrets, roles=ADMIN,
        summary="Show the live secrets; the audit log keeps that they were shown.",
        answer=webhook_answers.SecretPage,
    ),
    Route(
        method="POST", path="/v1/webhooks/{id}/secrets", handler=webhooks.rotate, roles=ADMIN,
        summary="Rotate the secret: the new one signs beside the others for a while.",
        body=webhook_bodies.ROTATION, body_optional=True, answer=webhook_answers.RotatedSecret, status=201,
    ),
    Route(
        method="GET", path="/v1/deliveries", handler=deliveries.listed, roles=READERS,
        summary="List deliveries, newest first.", query=deliveries.QUERY, answer=webhook_answers.DeliveryPage,
    ),
    Route(
        method="GET", path="/v1/deliveries/{id}", handler=deliveries.one, roles=READERS,
        summary="One delivery with every attempt.", answer=webhook_answers.DeliveryWithAttempts,
    ),
    Route(
        method="GET", path="/v1/safelist", handler=webhooks.safelist, roles=READERS,
        summary="The addresses that webhooks come from.", answer=webhook_answers.Safelist,
    ),
    # ---- service
    Route(
        method="GET", path="/v1/me", handler=service.me, roles=READERS,
        summary="The key's store, mode and role.", answer=answers.Me,
    ),
    Route(
        method="GET", path="/v1/fulfillers", handler=service.fulfillers, roles=READERS,
        summary="Who holds and ships items.", answer=answers.FulfillerPage,
    ),
    Route(
        method="GET", path="/v1/audit-log", handler=service.audit_log, roles=READERS,
        summary="Who did what to anything that is not stock.", query=service.AUDIT_QUERY, answer=answers.AuditPage,
    ),
    Route(
        method="GET", path="/healthz", handler=health.alive, roles=EVERYBODY,
        summary="The process answers.", answer=answers.Health,
    ),
    Route(
        method="GET", path="/readyz", handler=health.ready, roles=EVERYBODY,
        summary="The process can do the work of its role.", answer=answers.Readiness, also=(503,),
    ),
    Route(
        method="GET", path="/metrics", handler=metrics.metrics, roles=EVERYBODY,
        summary="Counts for Prometheus, for a reading key or a client on this machine.", refusals=(401,),
        kind="text/plain",
    ),
    Route(
        method="GET", path="/openapi.json", handler=openapi.openapi, roles=EVERYBODY,
        summary="This document.", answer=answers.Document,
    ),
    Route(
        method="GET", path="/docs", handler=docs.docs, roles=EVERYBODY,
        summary="This document as a page.", kind="text/html",
    ),
)  # fmt: skip
