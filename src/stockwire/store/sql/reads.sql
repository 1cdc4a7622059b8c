-- What the doors ask beside stock: keys, the store itself, its fulfillers, its audit log.

-- name: key_row(store, live, digest)^
-- Whose key this is: asked at most once a second and process for each key (R17).
SELECT k.id, k.store_id, k.role, k.fulfiller, k.digest
FROM stores s JOIN keys k ON k.store_id = s.store_id AND k.live = :live AND k.digest = :digest
WHERE s.name = :store AND k.revoked_at IS NULL

-- name: me(store_id, live, id)^
-- What a key may know of itself and its store.
SELECT s.name AS store, s.own_fulfiller, k.name, k.prefix, k.last_four, k.role, k.fulfiller, k.created_at
FROM keys k JOIN stores s ON s.store_id = k.store_id
WHERE k.store_id = :store_id AND k.live = :live AND k.id = :id

-- name: fulfillers(store_id, live)
-- Fulfillers that have items, by name: one look into the index per name, however many items there are.
WITH RECURSIVE names AS (
  (SELECT i.fulfiller FROM items i WHERE i.store_id = :store_id AND i.live = :live ORDER BY i.fulfiller LIMIT 1)
  UNION ALL
  SELECT (SELECT i.fulfiller FROM items i WHERE i.store_id = :store_id AND i.live = :live AND i.fulfiller > n.fulfiller ORDER BY i.fulfiller LIMIT 1)
  FROM names n WHERE n.fulfiller IS NOT NULL
)
SELECT n.fulfiller AS name, n.fulfiller = s.own_fulfiller AS own
FROM (SELECT fulfiller FROM names WHERE fulfiller IS NOT NULL UNION SELECT own_fulfiller FROM stores WHERE store_id = :store_id) n
JOIN stores s ON s.store_id = :store_id
ORDER BY n.fulfiller

-- name: audit_page(store_id, live, gt, gte, lt, lte, cursor, backward, limit)
-- A page of the audit log, newest first.
SELECT a.id, a.actor, a.action, a.subject, a.details, a.created_at FROM audit_log a
WHERE a.store_id = :store_id AND a.live = :live
  AND (:gt::timestamptz IS NULL OR a.created_at > :gt::timestamptz)
  AND (:gte::timestamptz IS NULL OR a.created_at >= :gte::timestamptz)
  AND (:lt::timestamptz IS NULL OR a.created_at < :lt::timestamptz)
  AND (:lte::timestamptz IS NULL OR a.created_at <= :lte::timestamptz)
  AND (:cursor::uuid IS NULL OR CASE WHEN :backward::boolean THEN a.id > :cursor::uuid ELSE a.id < :cursor::uuid END)
ORDER BY CASE WHEN :backward::boolean THEN a.id END ASC, CASE WHEN NOT :backward::boolean THEN a.id END DESC
LIMIT :limit

-- name: commit_mark()$
-- A commit that reaches the disk, takes no lock and changes no table: whether the database can commit at all (R23).
SELECT pg_logical_emit_message(true, 'stockwire', 'ready')
