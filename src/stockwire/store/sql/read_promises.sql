-- Reservations and orders as they are looked at. Each query gives one row per line, with what names the line's item.

-- name: reservation_lines(store_id, live, id)
-- One reservation, a row per line. A hold whose time has come reads as expired although nobody has ended it yet (R4).
SELECT r.id, CASE WHEN r.status = 'reserved' AND r.expires_at <= statement_timestamp() THEN 'expired' ELSE r.status END AS status,
       r.expires_at, r.reference, r.metadata, r.fingerprint, r.created_at, r.updated_at,
       x.item_id, x.quantity, x.backordered, x.allow_back_order, i.part_number, i.fulfiller
FROM reservations r
JOIN reservation_lines x ON x.store_id = :store_id AND x.live = :live AND x.reservation_id = r.id
JOIN items i ON i.store_id = :store_id AND i.live = :live AND i.id = x.item_id
WHERE r.store_id = :store_id AND r.live = :live AND r.id = :id
ORDER BY x.place

-- name: reservation_page(store_id, live, gt, gte, lt, lte, cursor, backward, limit)
-- A page of reservations, newest first, a row per line; the same rule for holds whose time has come.
WITH marked AS (
  SELECT r.created_at, r.id FROM reservations r WHERE r.store_id = :store_id AND r.live = :live AND r.id = :cursor::text
), page AS (
  SELECT r.* FROM reservations r
  WHERE r.store_id = :store_id AND r.live = :live
    AND (:cursor::text IS NULL OR CASE WHEN :backward::boolean
          THEN (r.created_at, r.id) > (SELECT created_at, id FROM marked) ELSE (r.created_at, r.id) < (SELECT created_at, id FROM marked) END)
    AND (:gt::timestamptz IS NULL OR r.created_at > :gt::timestamptz)
    AND (:gte::timestamptz IS NULL OR r.created_at >= :gte::timestamptz)
    AND (:lt::timestamptz IS NULL OR r.created_at < :lt::timestamptz)
    AND (:lte::timestamptz IS NULL OR r.created_at <= :lte::timestamptz)
  ORDER BY CASE WHEN :backward::boolean THEN r.created_at END ASC, CASE WHEN :backward::boolean THEN r.id END ASC,
           CASE WHEN NOT :backward::boolean THEN r.created_at END DESC, CASE WHEN NOT :backward::boolean THEN r.id END DESC
  LIMIT :limit
)
SELECT r.id, CASE WHEN r.status = 'reserved' AND r.expires_at <= statement_timestamp() THEN 'expired' ELSE r.status END AS status,
       r.expires_at, r.reference, r.metadata, r.fingerprint, r.created_at, r.updated_at,
       x.item_id, x.quantity, x.backordered, x.allow_back_order, i.part_number, i.fulfiller
FROM page r
JOIN reservation_lines x ON x.store_id = :store_id AND x.live = :live AND x.reservation_id = r.id
JOIN items i ON i.store_id = :store_id AND i.live = :live AND i.id = x.item_id
ORDER BY CASE WHEN :backward::boolean THEN r.created_at END ASC, CASE WHEN :backward::boolean THEN r.id END ASC,
         CASE WHEN NOT :backward::boolean THEN r.created_at END DESC, CASE WHEN NOT :backward::boolean THEN r.id END DESC, x.place

-- name: order_lines(store_id, live, id)
-- One order, a row per line.
SELECT o.id, o.reservation_id, o.reference, o.fingerprint, o.created_at, o.updated_at,
       x.item_id, x.quantity, x.backordered, x.shipped, x.cancelled, x.returned, x.unit_price, x.currency, i.part_number, i.fulfiller
FROM orders o
JOIN order_lines x ON x.store_id = :store_id AND x.live = :live AND x.order_id = o.id
JOIN items i ON i.store_id = :store_id AND i.live = :live AND i.id = x.item_id
WHERE o.store_id = :store_id AND o.live = :live AND o.id = :id
ORDER BY x.place

-- name: order_page(store_id, live, gt, gte, lt, lte, cursor, backward, limit)
-- A page of orders, newest first, a row per line; `page_row` numbers the orders from 1.
WITH marked AS (
  SELECT o.created_at, o.id FROM orders o WHERE o.store_id = :store_id AND o.live = :live AND o.id = :cursor::text
), page AS (
  SELECT o.* FROM orders o
  WHERE o.store_id = :store_id AND o.live = :live
    AND (:cursor::text IS NULL OR CASE WHEN :backward::boolean
          THEN (o.created_at, o.id) > (SELECT created_at, id FROM marked) ELSE (o.created_at, o.id) < (SELECT created_at, id FROM marked) END)
    AND (:gt::timestamptz IS NULL OR o.created_at > :gt::timestamptz)
    AND (:gte::timestamptz IS NULL OR o.created_at >= :gte::timestamptz)
    AND (:lt::timestamptz IS NULL OR o.created_at < :lt::timestamptz)
    AND (:lte::timestamptz IS NULL OR o.created_at <= :lte::timestamptz)
  ORDER BY CASE WHEN :backward::boolean THEN o.created_at END ASC, CASE WHEN :backward::boolean THEN o.id END ASC,
           CASE WHEN NOT :backward::boolean THEN o.created_at END DESC, CASE WHEN NOT :backward::boolean THEN o.id END DESC
  LIMIT :limit
)
SELECT o.id, o.reservation_id, o.reference, o.fingerprint, o.created_at, o.updated_at,
       x.item_id, x.quantity, x.backordered, x.shipped, x.cancelled, x.returned, x.unit_price, x.currency, i.part_number, i.fulfiller
FROM page o
JOIN order_lines x ON x.store_id = :store_id AND x.live = :live AND x.order_id = o.id
JOIN items i ON i.store_id = :store_id AND i.live = :live AND i.id = x.item_id
ORDER BY CASE WHEN :backward::boolean THEN o.created_at END ASC, CASE WHEN :backward::boolean THEN o.id END ASC,
         CASE WHEN NOT :backward::boolean THEN o.created_at END DESC, CASE WHEN NOT :backward::boolean THEN o.id END DESC, x.place

-- name: holds_of(store_id, live, id, now, limit)
-- The reservations that hold units of an item at this moment, soonest to end first: why `reserved` is what it is.
SELECT x.reservation_id AS id, x.quantity, x.backordered, x.expires_at, r.reference, r.created_at
FROM reservation_lines x
JOIN reservations r ON r.store_id = :store_id AND r.live = :live AND r.id = x.reservation_id
WHERE x.store_id = :store_id AND x.live = :live AND x.item_id = :id AND x.holding AND x.expires_at > :now
ORDER BY x.expires_at, x.reservation_id LIMIT :limit

-- name: open_orders_of(store_id, live, id, limit)
-- The orders that have open units of an item, oldest first: why `allocated` is what it is.
SELECT x.order_id AS id, x.quantity - x.shipped - x.cancelled AS open, x.quantity, x.backordered, o.reference, o.created_at
FROM order_lines x
JOIN orders o ON o.store_id = :store_id AND o.live = :live AND o.id = x.order_id
WHERE x.store_id = :store_id AND x.live = :live AND x.item_id = :id AND x.shipped + x.cancelled < x.quantity
ORDER BY o.created_at, x.order_id LIMIT :limit

-- name: holds_at(store_id, live, id, at, id_bound, back, limit)
-- The reservations that held units of an item at a past time. A hold is as old as the movement that made it, so the item's last `back`
-- movements before the time lead to them.
WITH recent AS (
  SELECT v.created_at, v.type FROM movements v
  WHERE v.store_id = :store_id AND v.live = :live AND v.item_id = :id AND v.id < :id_bound::uuid AND v.created_at <= :at
  ORDER BY v.id DESC LIMIT :back
)
SELECT x.reservation_id AS id, x.quantity, x.backordered, x.expires_at, r.reference, r.created_at
FROM (SELECT DISTINCT created_at FROM recent WHERE type = 'reserve' AND created_at > :at - interval '30 days') m
JOIN reservations r ON r.store_id = :store_id AND r.live = :live AND r.created_at = m.created_at
JOIN reservation_lines x ON x.store_id = :store_id AND x.live = :live AND x.reservation_id = r.id AND x.item_id = :id
WHERE x.expires_at > :at AND (r.status IN ('reserved', 'expired') OR r.updated_at > :at)
ORDER BY x.expires_at, x.reservation_id LIMIT :limit

-- name: orders_at(store_id, live, id, at, id_bound, back, limit)
-- The orders that had open units of an item at a past time, found as the holds are; what had left them by then is told by the
-- movements that name them.
WITH recent AS (
  SELECT v.created_at, v.type, v.reference, v.allocated_delta FROM movements v
  WHERE v.store_id = :store_id AND v.live = :live AND v.item_id = :id AND v.id < :id_bound::uuid AND v.created_at <= :at
  ORDER BY v.id DESC LIMIT :back
), gone AS (
  SELECT reference, -sum(allocated_delta)::bigint AS units FROM recent WHERE type IN ('ship', 'cancel') GROUP BY reference
)
SELECT x.order_id AS id, x.quantity - coalesce(g.units, 0) AS open, x.quantity, x.backordered, o.reference, o.created_at
FROM (SELECT DISTINCT created_at FROM recent WHERE type = 'order') m
JOIN orders o ON o.store_id = :store_id AND o.live = :live AND o.created_at = m.created_at
JOIN order_lines x ON x.store_id = :store_id AND x.live = :live AND x.order_id = o.id AND x.item_id = :id
LEFT JOIN gone g ON g.reference = o.id
WHERE x.quantity > coalesce(g.units, 0)
ORDER BY o.created_at, x.order_id LIMIT :limit
