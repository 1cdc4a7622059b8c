"""Statements of the yardstick: the rows that Stockwire writes, all at once or table by table."""

READ_KEY = "SELECT digest FROM keys WHERE store_id = $1 AND live = $2 AND digest = $3 AND revoked_at IS NULL"
READ_ANSWER = (
    "SELECT fingerprint, status, body FROM answers WHERE store_id = $1 AND live = $2 AND key = $3 AND slice = 0"
)

# What an event is numbered by here: it may leave gaps, which spares the lock that a gap-free number needs.
MAKE_SEQUENCE = "CREATE SEQUENCE honest_position"

# Sorted, so that orders of several lines do not deadlock. The level is what is locked: that is where the numbers are.
LOCK_ITEMS = """
SELECT i.id, i.part_number, i.fulfiller, i.products, l.on_hand, l.reserved, l.allocated, l.allow_back_order,
       l.sequence, l.published, nextval('honest_position') AS position
FROM items i JOIN levels l ON l.store_id = i.store_id AND l.live = i.live AND l.item_id = i.id
WHERE i.store_id = $1 AND i.live = $2 AND i.part_number = ANY($3::text[])
ORDER BY i.part_number FOR UPDATE OF l
"""

# What each row of a table takes, after store, mode and time ($1, $2, $3).
_LEVELS = ("uuid", "bigint", "bigint", "bigint", "bigint")
_MOVEMENTS = ("uuid", "bigint", "uuid", "text", *("bigint",) * 6, "uuid", "text", "text", "text", "timestamptz")
_EVENTS = ("bigint", "uuid", "text", "uuid", "text", "text", "text")
_ORDERS = ("text", "bytea", "text", "text")
_ORDER_LINES = ("text", "uuid", "smallint", "bigint", "bigint")
_ANSWERS = ("text", "smallint", "bytea", "smallint", "boolean", "bytea")
TABLES = (_LEVELS, _MOVEMENTS, _EVENTS, _ORDERS, _ORDER_LINES, _ANSWERS)

# One statement a table, one row at a time.
WRITE_EACH = (
    """UPDATE levels SET on_hand = $5, allocated = $6, sequence = $7, published = $8, updated_at = $3
       WHERE store_id = $1 AND live = $2 AND item_id = $4""",
    """INSERT INTO movements (store_id, live, created_at, item_id, sequence, id, type, on_hand_delta, reserved_delta,
         allocated_delta, on_hand, reserved, allocated, change_id, reason, reference, actor, occurred_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)""",
    """INSERT INTO events (store_id, live, created_at, position, id, type, item_id, part_number, fulfiller, body)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
    """INSERT INTO orders (store_id, live, created_at, updated_at, id, fingerprint, reservation_id, reference)
       VALUES ($1, $2, $3, $3, $4, $5, $6, $7)""",
    """INSERT INTO order_lines (store_id, live, order_id, item_id, place, quantity, backordered)
       SELECT $1, $2, $4, $5, $6, $7, $8 WHERE $3::timestamptz IS NOT NULL""",
    """INSERT INTO answers (store_id, live, created_at, key, slice, fingerprint, status, sealed, body)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
)

# All tables in one statement, rows as arrays.
_AT_ONCE = (
    """UPDATE levels l SET on_hand = n.on_hand, allocated = n.allocated, sequence = n.sequence, published = n.published,
         updated_at = $3
       FROM unnest({}) AS n(item_id, on_hand, allocated, sequence, published)
       WHERE l.store_id = $1 AND l.live = $2 AND l.item_id = n.item_id""",
    """INSERT INTO movements (store_id, live, item_id, sequence, id, type, on_hand_delta, reserved_delta,
         allocated_delta, on_hand, reserved, allocated, change_id, reason, reference, actor, occurred_at, created_at)
       SELECT $1, $2, u.*, $3 FROM unnest({}) AS u""",
    """INSERT INTO events (store_id, live, position, id, type, item_id, part_number, fulfiller, body, created_at)
       SELECT $1, $2, u.*, $3 FROM unnest({}) AS u""",
    """INSERT INTO orders (store_id, live, id, fingerprint, reservation_id, reference, created_at, updated_at)
       SELECT $1, $2, u.*, $3, $3 FROM unnest({}) AS u""",
    """INSERT INTO order_lines (store_id, live, order_id, item_id, place, quantity, backordered)
       SELECT $1, $2, u.* FROM unnest({}) AS u""",
    """INSERT INTO answers (store_id, live, key, slice, fingerprint, status, sealed, body, created_at)
       SELECT $1, $2, u.*, $3 FROM unnest({}) AS u""",
)


def _all_at_once() -> str:
    parts, first = [], 4
    for statement, types in zip(_AT_ONCE, TABLES, strict=True):
        parts.append(statement.format(", ".join(f"${first + place}::{kind}[]" for place, kind in enumerate(types))))
        first += len(types)
    named = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(parts[:-1]))
    return f"WITH {named} {parts[-1]}"


WRITE_ALL = _all_at_once()
