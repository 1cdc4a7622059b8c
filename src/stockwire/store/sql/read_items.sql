-- Items and levels as they are looked at. Reads subtract the holds whose time has come although nobody has ended them yet (R4).
-- Each page is one statement, so its rows are of one snapshot. These queries are planned with the values that they are asked with
-- (plan_cache_mode): a filter that is null then costs nothing, and the one that is given finds its index. Every table is compared with
-- the ledger's parameters, never with another table's `live`: a boolean that is compared with a column no longer counts as fixed, and
-- what an index gives in order would be sorted.

-- name: item_rows(store_id, live, ids, parts, fulfiller, product_id, reference, managed, status, available, q, q_end, gt, gte, lt, lte, cursor, backward, limit)
-- A page of items with their levels, newest first: GET /v1/inventory-items and /v1/inventory-levels.
SELECT i.id, i.part_number, i.fulfiller, i.fulfiller_managed, i.products, i.low_stock_threshold, i.expected_in_stock_at, i.metadata,
       i.created_at, i.updated_at, false AS deleted,
       l.on_hand, n.reserved, l.allocated, l.allow_back_order, l.back_order_limit, l.excused, l.sequence, l.published, l.updated_at AS level_updated_at
FROM items i
JOIN levels l ON l.store_id = :store_id AND l.live = :live AND l.item_id = i.id
CROSS JOIN LATERAL (
  SELECT l.reserved - coalesce(sum(r.quantity), 0)::bigint AS reserved FROM reservation_lines r
  WHERE r.store_id = :store_id AND r.live = :live AND r.item_id = i.id AND r.holding AND r.expires_at <= statement_timestamp()
) n
WHERE i.store_id = :store_id AND i.live = :live AND i.deleted_at IS NULL
  AND (:ids::uuid[] IS NULL OR i.id = ANY (:ids::uuid[]))
  AND (:parts::text[] IS NULL OR i.part_number = ANY (:parts::text[]))
  AND (:fulfiller::text IS NULL OR i.fulfiller = :fulfiller::text)
  AND (:product_id::text IS NULL OR i.id = ANY (ARRAY(
        SELECT p.item_id FROM item_products p WHERE p.store_id = :store_id AND p.live = :live AND p.product_id = :product_id::text)))
  AND (:reference::text IS NULL OR i.id = ANY (ARRAY(
        SELECT p.item_id FROM item_products p WHERE p.store_id = :store_id AND p.live = :live AND p.external_reference_id = :reference::text)))
  AND (:managed::boolean IS NULL OR i.fulfiller_managed = :managed::boolean)
  AND (:q::text IS NULL OR i.id = ANY (ARRAY(
        SELECT x.id FROM items x WHERE x.store_id = :store_id AND x.live = :live AND x.part_number >= :q::text AND x.part_number < :q_end::text
        UNION ALL
        SELECT p.item_id FROM item_products p WHERE p.store_id = :store_id AND p.live = :live AND p.product_id >= :q::text AND p.product_id < :q_end::text
        UNION ALL
        SELECT p.item_id FROM item_products p
        WHERE p.store_id = :store_id AND p.live = :live AND p.external_reference_id >= :q::text AND p.external_reference_id < :q_end::text)))
  AND (:available::boolean IS NULL OR (l.on_hand - n.reserved - l.allocated > 0) = :available::boolean)
  AND (:status::text IS NULL OR CASE :status::text
        WHEN 'in_stock' THEN l.on_hand - n.reserved - l.allocated > 0
        WHEN 'out_of_stock' THEN l.on_hand - n.reserved - l.allocated <= 0
        WHEN 'low_stock' THEN i.low_stock_threshold >= 1 AND l.on_hand - n.reserved - l.allocated <= i.low_stock_threshold
        ELSE l.on_hand - n.reserved - l.allocated < 0 END)
  AND (:gt::timestamptz IS NULL OR i.created_at > :gt::timestamptz)
  AND (:gte::timestamptz IS NULL OR i.created_at >= :gte::timestamptz)
  AND (:lt::timestamptz IS NULL OR i.created_at < :lt::timestamptz)
  AND (:lte::timestamptz IS NULL OR i.created_at <= :lte::timestamptz)
  AND (:cursor::uuid IS NULL OR CASE WHEN :backward::boolean THEN i.id > :cursor::uuid ELSE i.id < :cursor::uuid END)
ORDER BY CASE WHEN :backward::boolean THEN i.id END ASC, CASE WHEN NOT :backward::boolean THEN i.id END DESC
LIMIT :limit

-- name: item_row(store_id, live, id)^
-- One item with its level: GET /v1/inventory-items/{id}.
SELECT i.id, i.part_number, i.fulfiller, i.fulfiller_managed, i.products, i.low_stock_threshold, i.expected_in_stock_at, i.metadata,
       i.created_at, i.updated_at, i.deleted_at IS NOT NULL AS deleted,
       l.on_hand, l.reserved - coalesce((
         SELECT sum(r.quantity) FROM reservation_lines r
         WHERE r.store_id = :store_id AND r.live = :live AND r.item_id = i.id AND r.holding AND r.expires_at <= statement_timestamp()
       ), 0)::bigint AS reserved,
       l.allocated, l.allow_back_order, l.back_order_limit, l.excused, l.sequence, l.published, l.updated_at AS level_updated_at,
       statement_timestamp() AS now
FROM items i
JOIN levels l ON l.store_id = :store_id AND l.live = :live AND l.item_id = i.id
WHERE i.store_id = :store_id AND i.live = :live AND i.id = :id

-- name: level_rows_at(store_id, live, ids, parts, fulfiller, available, at, id_bound, cursor, backward, limit)
-- A page of levels as a read at a past time answered: the last movement made by then gives the sequence; holds that had ended by then
-- without having been written give their units back, whether they were written since (a run of `expire` behind it) or are not yet.
SELECT i.id, i.part_number, i.fulfiller, i.fulfiller_managed, i.products, i.low_stock_threshold, i.expected_in_stock_at, i.metadata,
       i.created_at, i.updated_at, false AS deleted,
       coalesce(m.on_hand, 0) AS on_hand, n.reserved, coalesce(m.allocated, 0) AS allocated, l.allow_back_order, l.back_order_limit, 0 AS excused,
       coalesce(m.sequence, 0) AS sequence, 0 AS published, coalesce(m.created_at, i.created_at) AS level_updated_at
FROM items i
JOIN levels l ON l.store_id = :store_id AND l.live = :live AND l.item_id = i.id
LEFT JOIN LATERAL (
  SELECT v.sequence, v.on_hand, v.reserved, v.allocated, v.created_at FROM movements v
  WHERE v.store_id = :store_id AND v.live = :live AND v.item_id = i.id AND v.id < :id_bound::uuid AND v.created_at <= :at
  ORDER BY v.id DESC LIMIT 1
) m ON true
CROSS JOIN LATERAL (
  SELECT coalesce(m.reserved, 0)
    + coalesce((
        SELECT sum(v.reserved_delta) FROM movements v
        WHERE v.store_id = :store_id AND v.live = :live AND v.item_id = i.id AND v.sequence > m.sequence
          AND v.sequence < coalesce((
            SELECT o.sequence FROM movements o
            WHERE o.store_id = :store_id AND o.live = :live AND o.item_id = i.id AND o.sequence > m.sequence
              AND NOT (o.type = 'expire' AND o.occurred_at <= :at)
            ORDER BY o.sequence LIMIT 1), 9007199254740992)
      ), 0)::bigint
    - coalesce((
        SELECT sum(r.quantity) FROM reservation_lines r
        WHERE r.store_id = :store_id AND r.live = :live AND r.item_id = i.id AND r.holding AND r.expires_at <= :at
      ), 0)::bigint AS reserved
) n
WHERE i.store_id = :store_id AND i.live = :live AND i.created_at <= :at AND (i.deleted_at IS NULL OR i.deleted_at > :at)
  AND (:ids::uuid[] IS NULL OR i.id = ANY (:ids::uuid[]))
  AND (:parts::text[] IS NULL OR i.part_number = ANY (:parts::text[]))
  AND (:fulfiller::text IS NULL OR i.fulfiller = :fulfiller::text)
  AND (:available::boolean IS NULL OR (coalesce(m.on_hand, 0) - n.reserved - coalesce(m.allocated, 0) > 0) = :available::boolean)
  AND (:cursor::uuid IS NULL OR CASE WHEN :backward::boolean THEN i.id > :cursor::uuid ELSE i.id < :cursor::uuid END)
ORDER BY CASE WHEN :backward::boolean THEN i.id END ASC, CASE WHEN NOT :backward::boolean THEN i.id END DESC
LIMIT :limit

-- name: is_future(at)$
-- Whether a time has not come yet, by the database's clock.
SELECT :at::timestamptz > statement_timestamp()

-- name: items_named(store_id, live, id, part, fulfiller)
-- Ids of the items that a part number or an id means, deleted ones included: whose movements are asked for.
SELECT i.id FROM items i
WHERE i.store_id = :store_id AND i.live = :live
  AND (:id::uuid IS NULL OR i.id = :id::uuid)
  AND (:part::text IS NULL OR i.part_number = :part::text)
  AND (:fulfiller::text IS NULL OR i.fulfiller = :fulfiller::text)

-- name: movement_rows(store_id, live, ids, gt, gte, lt, lte, cursor, rising, limit)
-- A page of the ledger of some items. Each item gives as many lines as a page has, in the order of its index; they are merged by id.
SELECT m.* FROM unnest(:ids::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
  SELECT v.* FROM movements v
  WHERE v.store_id = :store_id AND v.live = :live AND v.item_id = asked.id
    AND (:cursor::uuid IS NULL OR CASE WHEN :rising::boolean THEN v.id > :cursor::uuid ELSE v.id < :cursor::uuid END)
    AND (:gt::timestamptz IS NULL OR v.created_at > :gt::timestamptz)
    AND (:gte::timestamptz IS NULL OR v.created_at >= :gte::timestamptz)
    AND (:lt::timestamptz IS NULL OR v.created_at < :lt::timestamptz)
    AND (:lte::timestamptz IS NULL OR v.created_at <= :lte::timestamptz)
  ORDER BY CASE WHEN :rising::boolean THEN v.id END ASC, CASE WHEN NOT :rising::boolean THEN v.id END DESC
  LIMIT :limit
) m
ORDER BY CASE WHEN :rising::boolean THEN m.id END ASC, CASE WHEN NOT :rising::boolean THEN m.id END DESC
LIMIT :limit
