-- Does the ledger agree with itself? Each query gives rows only where it does not. They read whole tables, so they ask
-- for a connection on which sequential scans are allowed.

-- name: sums_that_differ(store_id, live)
-- Items whose movements, summed, are not their level; or whose last sequence is not their number of movements.
SELECT l.item_id, l.on_hand, l.reserved, l.allocated, l.sequence,
       coalesce(m.on_hand, 0) AS summed_on_hand, coalesce(m.reserved, 0) AS summed_reserved,
       coalesce(m.allocated, 0) AS summed_allocated, coalesce(m.movements, 0) AS movements, coalesce(m.highest, 0) AS highest
FROM levels l
LEFT JOIN (
  SELECT item_id, sum(on_hand_delta)::bigint AS on_hand, sum(reserved_delta)::bigint AS reserved,
         sum(allocated_delta)::bigint AS allocated, count(*) AS movements, max(sequence) AS highest
  FROM movements WHERE store_id = :store_id AND live = :live GROUP BY item_id
) m ON m.item_id = l.item_id
WHERE l.store_id = :store_id AND l.live = :live
  AND (l.on_hand, l.reserved, l.allocated, l.sequence, l.sequence)
      IS DISTINCT FROM (coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.allocated, 0), coalesce(m.movements, 0), coalesce(m.highest, 0))

-- name: movements_that_differ(store_id, live)
-- Movements whose values do not follow from the movement before.
SELECT item_id, sequence FROM (
  SELECT item_id, sequence, on_hand, reserved, allocated,
         sum(on_hand_delta) OVER w AS running_on_hand, sum(reserved_delta) OVER w AS running_reserved,
         sum(allocated_delta) OVER w AS running_allocated
  FROM movements WHERE store_id = :store_id AND live = :live
  WINDOW w AS (PARTITION BY item_id ORDER BY sequence)
) summed
WHERE (on_hand, reserved, allocated) IS DISTINCT FROM (running_on_hand, running_reserved, running_allocated)

-- name: promises_that_differ(store_id, live)
-- Items whose counters are not the units that their reservations hold and their orders still want.
SELECT l.item_id, l.reserved, coalesce(r.units, 0) AS held, l.allocated, coalesce(o.units, 0) AS open
FROM levels l
LEFT JOIN (
  SELECT item_id, sum(quantity)::bigint AS units FROM reservation_lines
  WHERE store_id = :store_id AND live = :live AND holding GROUP BY item_id) r ON r.item_id = l.item_id
LEFT JOIN (
  SELECT item_id, sum(quantity - shipped - cancelled)::bigint AS units FROM order_lines
  WHERE store_id = :store_id AND live = :live GROUP BY item_id) o ON o.item_id = l.item_id
WHERE l.store_id = :store_id AND l.live = :live
  AND (l.reserved, l.allocated) IS DISTINCT FROM (coalesce(r.units, 0), coalesce(o.units, 0))

-- name: events_that_differ(store_id, live)
-- Whether the log has a hole: its count and ends against the head.
SELECT h.position, h.pruned_to, count(e.position) AS events, coalesce(min(e.position), h.pruned_to + 1) AS lowest,
       coalesce(max(e.position), h.pruned_to) AS highest
FROM ledgers h
LEFT JOIN events e ON e.store_id = h.store_id AND e.live = h.live AND e.position > h.pruned_to
WHERE h.store_id = :store_id AND h.live = :live
GROUP BY h.position, h.pruned_to
HAVING count(e.position) <> h.position - h.pruned_to
    OR coalesce(max(e.position), h.pruned_to) <> h.position
