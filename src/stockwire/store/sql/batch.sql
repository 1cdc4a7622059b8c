-- The statements of a batch (R6): lock the head alone, load in new statements what the lock waited for, then write.
-- Every row is found by an index look-up, whatever the planner knows of the tables: LATERAL with LIMIT keeps the order
-- of a join, where plans made while tables are empty would read a ledger's whole history, and ON CONFLICT updates by key.
-- `lock` is in batch.py, because it goes out together with BEGIN.

-- name: load_head(store_id, live, keys, slices)
-- The head and the ledger's time (R5), with the kept answers to the batch's idempotency keys: one row at least.
SELECT h.position, h.feed_id, pg_current_xact_id()::text AS xid, s.own_fulfiller,
       greatest(statement_timestamp(), h.committed_at + interval '1 microsecond') AS now,
       a.key, a.slice, a.fingerprint, a.status, a.sealed, a.body
FROM ledgers h
JOIN stores s ON s.store_id = h.store_id
LEFT JOIN (unnest(:keys::text[], :slices::smallint[]) AS k(key, slice)
  CROSS JOIN LATERAL (
    SELECT * FROM answers x WHERE x.store_id = :store_id AND x.live = :live AND x.key = k.key AND x.slice = k.slice LIMIT 1) a
  ) ON true
WHERE h.store_id = :store_id AND h.live = :live

-- name: load_parts(store_id, live, now, parts)
-- Every item of the named part numbers, with its level and the reservations on it that are due (R4).
SELECT i.id, i.part_number, i.fulfiller, i.fulfiller_managed, i.products, i.low_stock_threshold, i.expected_in_stock_at,
       i.metadata, i.created_at, i.updated_at, i.deleted_at IS NOT NULL AS deleted,
       l.on_hand, l.reserved, l.allocated, l.allow_back_order, l.back_order_limit, l.excused, l.sequence, l.published,
       l.updated_at AS level_updated_at,
       CASE WHEN l.reserved > 0 THEN ARRAY(
         SELECT r.reservation_id FROM reservation_lines r
         WHERE r.store_id = :store_id AND r.live = :live AND r.item_id = i.id AND r.holding AND r.expires_at <= :now)
       END AS due
FROM unnest(:parts::text[]) AS w(part)
CROSS JOIN LATERAL (SELECT * FROM items x WHERE x.store_id = :store_id AND x.live = :live AND x.part_number = w.part LIMIT 10000) i
CROSS JOIN LATERAL (SELECT * FROM levels x WHERE x.store_id = :store_id AND x.live = :live AND x.item_id = i.id LIMIT 1) l

-- name: name_parts(store_id, live, ids, products, refs)
-- The part numbers of items that are named otherwise: by id, product or external reference.
SELECT i.part_number
FROM (
  SELECT id FROM unnest(:ids::uuid[]) AS w(id)
  UNION
  SELECT p.item_id FROM unnest(:products::text[]) AS w(product_id)
  CROSS JOIN LATERAL (
    SELECT item_id FROM item_products x WHERE x.store_id = :store_id AND x.live = :live AND x.product_id = w.product_id LIMIT 10000) p
  UNION
  SELECT p.item_id FROM unnest(:refs::text[]) AS w(reference)
  CROSS JOIN LATERAL (
    SELECT item_id FROM item_products x
    WHERE x.store_id = :store_id AND x.live = :live AND x.external_reference_id = w.reference LIMIT 10000) p
) n
CROSS JOIN LATERAL (SELECT part_number FROM items x WHERE x.store_id = :store_id AND x.live = :live AND x.id = n.id LIMIT 1) i

-- name: load_reservations(store_id, live, ids)
-- The named reservations with their lines, in order.
SELECT r.id, r.status, r.expires_at, r.fingerprint, r.reference, r.metadata, r.created_at, r.updated_at,
       l.item_id, l.quantity, l.backordered, l.allow_back_order
FROM unnest(:ids::text[]) AS w(id)
CROSS JOIN LATERAL (SELECT * FROM reservations x WHERE x.store_id = :store_id AND x.live = :live AND x.id = w.id LIMIT 1) r
CROSS JOIN LATERAL (
  SELECT * FROM reservation_lines x WHERE x.store_id = :store_id AND x.live = :live AND x.reservation_id = r.id LIMIT 10000) l
ORDER BY r.id, l.place

-- name: load_orders(store_id, live, ids)
-- The named orders with their lines, in order.
SELECT o.id, o.fingerprint, o.reservation_id, o.reference, o.created_at, o.updated_at,
       l.item_id, l.quantity, l.backordered, l.shipped, l.cancelled, l.returned, l.unit_price, l.currency
FROM unnest(:ids::text[]) AS w(id)
CROSS JOIN LATERAL (SELECT * FROM orders x WHERE x.store_id = :store_id AND x.live = :live AND x.id = w.id LIMIT 1) o
CROSS JOIN LATERAL (
  SELECT * FROM order_lines x WHERE x.store_id = :store_id AND x.live = :live AND x.order_id = o.id LIMIT 10000) l
ORDER BY o.id, l.place

-- name: load_due(store_id, live, now, most)
-- The reservations whose time has come, the earliest first.
SELECT DISTINCT reservation_id FROM (
  SELECT reservation_id FROM reservation_lines
  WHERE store_id = :store_id AND live = :live AND holding AND expires_at <= :now
  ORDER BY expires_at LIMIT :most) due

-- name: load_endpoints(store_id, live)
-- Every endpoint of the ledger: at most 50.
SELECT id, address, types, enabled, start_position, status_reason, description, settings, credentials, created_at, updated_at
FROM endpoints WHERE store_id = :store_id AND live = :live ORDER BY id

-- name: load_secrets(store_id, live)
-- The secrets of every endpoint, newest first.
SELECT endpoint_id, id, secret, created_at, expires_at
FROM endpoint_secrets WHERE store_id = :store_id AND live = :live ORDER BY created_at DESC, id DESC

-- name: write_items(store_id, live, id, part_number, fulfiller, fulfiller_managed, products, low_stock_threshold, expected_in_stock_at, metadata, created_at, updated_at, deleted_at)!
-- Items created, edited or deleted.
INSERT INTO items (store_id, live, id, part_number, fulfiller, fulfiller_managed, products, low_stock_threshold,
                   expected_in_stock_at, metadata, created_at, updated_at, deleted_at)
SELECT :store_id, :live, u.id, u.part, u.ful, u.managed, u.products::jsonb, u.low, u.expected, u.metadata::jsonb, u.created, u.updated, u.deleted
FROM unnest(:id::uuid[], :part_number::text[], :fulfiller::text[], :fulfiller_managed::boolean[], :products::text[],
            :low_stock_threshold::bigint[], :expected_in_stock_at::timestamptz[], :metadata::text[], :created_at::timestamptz[],
            :updated_at::timestamptz[], :deleted_at::timestamptz[])
  AS u(id, part, ful, managed, products, low, expected, metadata, created, updated, deleted)
ON CONFLICT (store_id, live, id) DO UPDATE SET
  fulfiller_managed = excluded.fulfiller_managed, products = excluded.products, low_stock_threshold = excluded.low_stock_threshold,
  expected_in_stock_at = excluded.expected_in_stock_at, metadata = excluded.metadata, updated_at = excluded.updated_at,
  deleted_at = excluded.deleted_at

-- name: forget_products(store_id, live, item_id)!
-- The products of edited items, before they are written anew.
DELETE FROM item_products WHERE store_id = :store_id AND live = :live AND item_id = ANY(:item_id::uuid[])

-- name: write_products(store_id, live, item_id, product_id, external_reference_id)!
-- The products of new and edited items.
INSERT INTO item_products (store_id, live, item_id, product_id, external_reference_id)
SELECT :store_id, :live, u.* FROM unnest(:item_id::uuid[], :product_id::text[], :external_reference_id::text[]) AS u

-- name: write_batch(store_id, live, now, position, l_item, l_on_hand, l_reserved, l_allocated, l_allow, l_limit, l_excused, l_sequence, l_published, m_item, m_sequence, m_id, m_type, m_on_hand_delta, m_reserved_delta, m_allocated_delta, m_on_hand, m_reserved, m_allocated, m_change, m_reason, m_reference, m_actor, m_occurred, e_position, e_id, e_type, e_item, e_part, e_fulfiller, e_body, a_key, a_slice, a_fingerprint, a_status, a_sealed, a_body)!
-- What nearly every batch changes: the head, levels, movements, events and kept answers.
WITH head AS (
  UPDATE ledgers SET position = :position, committed_at = :now WHERE store_id = :store_id AND live = :live
), written_levels AS (
  INSERT INTO levels (store_id, live, item_id, on_hand, reserved, allocated, allow_back_order, back_order_limit, excused,
                      sequence, published, updated_at)
  SELECT :store_id, :live, u.*, :now
  FROM unnest(:l_item::uuid[], :l_on_hand::bigint[], :l_reserved::bigint[], :l_allocated::bigint[], :l_allow::boolean[],
              :l_limit::bigint[], :l_excused::bigint[], :l_sequence::bigint[], :l_published::bigint[]) AS u
  ON CONFLICT (store_id, live, item_id) DO UPDATE SET
    on_hand = excluded.on_hand, reserved = excluded.reserved, allocated = excluded.allocated,
    allow_back_order = excluded.allow_back_order, back_order_limit = excluded.back_order_limit, excused = excluded.excused,
    sequence = excluded.sequence, published = excluded.published, updated_at = excluded.updated_at
), written_movements AS (
  INSERT INTO movements (store_id, live, item_id, sequence, id, type, on_hand_delta, reserved_delta, allocated_delta,
                         on_hand, reserved, allocated, change_id, reason, reference, actor, occurred_at, created_at)
  SELECT :store_id, :live, u.*, :now
  FROM unnest(:m_item::uuid[], :m_sequence::bigint[], :m_id::uuid[], :m_type::text[], :m_on_hand_delta::bigint[],
              :m_reserved_delta::bigint[], :m_allocated_delta::bigint[], :m_on_hand::bigint[], :m_reserved::bigint[],
              :m_allocated::bigint[], :m_change::uuid[], :m_reason::text[], :m_reference::text[], :m_actor::text[],
              :m_occurred::timestamptz[]) AS u
), written_events AS (
  INSERT INTO events (store_id, live, position, id, type, item_id, part_number, fulfiller, body, created_at)
  SELECT :store_id, :live, u.*, :now
  FROM unnest(:e_position::bigint[], :e_id::uuid[], :e_type::text[], :e_item::uuid[], :e_part::text[],
              :e_fulfiller::text[], :e_body::text[]) AS u
)
INSERT INTO answers (store_id, live, key, slice, fingerprint, status, sealed, body, created_at)
SELECT :store_id, :live, u.*, :now
FROM unnest(:a_key::text[], :a_slice::smallint[], :a_fingerprint::bytea[], :a_status::smallint[], :a_sealed::boolean[],
            :a_body::bytea[]) AS u

-- name: write_reservations(store_id, live, id, status, expires_at, fingerprint, reference, metadata, created_at, updated_at)!
-- Reservations made, moved or ended.
INSERT INTO reservations (store_id, live, id, status, expires_at, fingerprint, reference, metadata, created_at, updated_at)
SELECT :store_id, :live, u.id, u.status, u.expires_at, u.fingerprint, u.reference, u.metadata::jsonb, u.created_at, u.updated_at
FROM unnest(:id::text[], :status::text[], :expires_at::timestamptz[], :fingerprint::bytea[], :reference::text[], :metadata::text[],
            :created_at::timestamptz[], :updated_at::timestamptz[])
  AS u(id, status, expires_at, fingerprint, reference, metadata, created_at, updated_at)
ON CONFLICT (store_id, live, id) DO UPDATE SET
  status = excluded.status, expires_at = excluded.expires_at, updated_at = excluded.updated_at

-- name: write_reservation_lines(store_id, live, reservation_id, item_id, place, quantity, backordered, allow_back_order, expires_at, holding)!
-- Their lines; `holding` says whether the item's `reserved` counts them.
INSERT INTO reservation_lines (store_id, live, reservation_id, item_id, place, quantity, backordered, allow_back_order, expires_at, holding)
SELECT :store_id, :live, u.*
FROM unnest(:reservation_id::text[], :item_id::uuid[], :place::smallint[], :quantity::bigint[], :backordered::bigint[],
            :allow_back_order::boolean[], :expires_at::timestamptz[], :holding::boolean[]) AS u
ON CONFLICT (store_id, live, reservation_id, item_id) DO UPDATE SET expires_at = excluded.expires_at, holding = excluded.holding

-- name: write_orders(store_id, live, o_id, o_fingerprint, o_reservation, o_reference, o_created, o_updated, l_order, l_item, l_place, l_quantity, l_backordered, l_shipped, l_cancelled, l_returned, l_price, l_currency)!
-- Orders made or moved on, with their lines.
WITH written AS (
  INSERT INTO orders (store_id, live, id, fingerprint, reservation_id, reference, created_at, updated_at)
  SELECT :store_id, :live, u.*
  FROM unnest(:o_id::text[], :o_fingerprint::bytea[], :o_reservation::text[], :o_reference::text[], :o_created::timestamptz[],
              :o_updated::timestamptz[]) AS u
  ON CONFLICT (store_id, live, id) DO UPDATE SET updated_at = excluded.updated_at
)
INSERT INTO order_lines (store_id, live, order_id, item_id, place, quantity, backordered, shipped, cancelled, returned, unit_price, currency)
SELECT :store_id, :live, u.*
FROM unnest(:l_order::text[], :l_item::uuid[], :l_place::smallint[], :l_quantity::bigint[], :l_backordered::bigint[],
            :l_shipped::bigint[], :l_cancelled::bigint[], :l_returned::bigint[], :l_price::text[], :l_currency::text[]) AS u
ON CONFLICT (store_id, live, order_id, item_id) DO UPDATE SET
  shipped = excluded.shipped, cancelled = excluded.cancelled, returned = excluded.returned

-- name: write_shortages(store_id, live, now, item_id, units, refusals)!
-- Units refused in this hour.
INSERT INTO refused_units (store_id, live, item_id, hour, units, refusals)
SELECT :store_id, :live, u.item_id, date_trunc('hour', :now::timestamptz), u.units, u.refusals
FROM unnest(:item_id::uuid[], :units::bigint[], :refusals::bigint[]) AS u(item_id, units, refusals)
ON CONFLICT (store_id, live, item_id, hour) DO UPDATE SET
  units = refused_units.units + excluded.units, refusals = refused_units.refusals + excluded.refusals

-- name: write_audit(store_id, live, now, id, actor, action, subject, details)!
-- Who did what to anything that is not stock.
INSERT INTO audit_log (store_id, live, id, actor, action, subject, details, created_at)
SELECT :store_id, :live, u.id, u.actor, u.action, u.subject, u.details::jsonb, :now
FROM unnest(:id::uuid[], :actor::text[], :action::text[], :subject::text[], :details::text[]) AS u(id, actor, action, subject, details)

-- name: write_endpoint(store_id, live, id, address, types, enabled, start_position, status_reason, description, settings, credentials, created_at, updated_at)!
-- One endpoint made or edited.
INSERT INTO endpoints (store_id, live, id, address, types, enabled, start_position, status_reason, description, settings,
                       credentials, created_at, updated_at)
VALUES (:store_id, :live, :id::uuid, :address, :types, :enabled, :start_position, :status_reason, :description, :settings::text::jsonb,
        :credentials, :created_at, :updated_at)
ON CONFLICT (store_id, live, id) DO UPDATE SET
  address = excluded.address, types = excluded.types, enabled = excluded.enabled, start_position = excluded.start_position,
  status_reason = excluded.status_reason, description = excluded.description, settings = excluded.settings,
  credentials = excluded.credentials, updated_at = excluded.updated_at

-- name: forget_secrets(store_id, live, endpoint_id)!
-- The secrets of an edited endpoint, before they are written anew.
DELETE FROM endpoint_secrets WHERE store_id = :store_id AND live = :live AND endpoint_id = :endpoint_id::uuid

-- name: write_secret(store_id, live, endpoint_id, id, secret, created_at, expires_at)!
-- One secret of an endpoint.
INSERT INTO endpoint_secrets (store_id, live, endpoint_id, id, secret, created_at, expires_at)
VALUES (:store_id, :live, :endpoint_id::uuid, :id::uuid, :secret, :created_at, :expires_at)

-- name: forget_endpoints(store_id, live, ids)!
-- Endpoints that are deleted, with their secrets.
DELETE FROM endpoints WHERE store_id = :store_id AND live = :live AND id = ANY(:ids::uuid[])

-- name: find_trace(store_id, live, now, item_id, movement_id, key, slice, audit_id, reservation_id, order_id)$
-- Whether a row that only one batch can have written is there: asked when the answer to its COMMIT was lost.
SELECT EXISTS (SELECT FROM movements
               WHERE store_id = :store_id AND live = :live AND item_id = :item_id::uuid AND id = :movement_id::uuid)
    OR EXISTS (SELECT FROM answers
               WHERE store_id = :store_id AND live = :live AND key = :key::text AND slice = :slice::smallint AND created_at = :now::timestamptz)
    OR EXISTS (SELECT FROM audit_log
               WHERE store_id = :store_id AND live = :live AND id = :audit_id::uuid)
    OR EXISTS (SELECT FROM reservations
               WHERE store_id = :store_id AND live = :live AND id = :reservation_id::text AND updated_at = :now::timestamptz)
    OR EXISTS (SELECT FROM orders
               WHERE store_id = :store_id AND live = :live AND id = :order_id::text AND updated_at = :now::timestamptz)
