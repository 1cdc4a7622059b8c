-- Stores and their keys: reference data, the same on every machine.

-- name: count_stores()$
-- How many stores there are.
SELECT count(*) FROM stores

-- name: create_store(name, own_fulfiller)$
-- A store; nothing if the name is taken.
INSERT INTO stores (name, own_fulfiller) VALUES (:name, :own_fulfiller) ON CONFLICT (name) DO NOTHING RETURNING store_id

-- name: create_ledgers(store_id)!
-- The two ledgers of a store: test and live.
INSERT INTO ledgers (store_id, live) VALUES (:store_id, false), (:store_id, true)

-- name: list_stores()
-- Every store, with the heads of its ledgers.
SELECT s.store_id, s.name, s.own_fulfiller, s.public_quantities, s.created_at,
       (SELECT position FROM ledgers l WHERE l.store_id = s.store_id AND NOT l.live) AS test_position,
       (SELECT position FROM ledgers l WHERE l.store_id = s.store_id AND l.live) AS live_position
FROM stores s ORDER BY s.name

-- name: find_store(name)^
-- One store.
SELECT store_id, name, own_fulfiller FROM stores WHERE name = :name

-- name: create_key(store_id, live, role, fulfiller, name, prefix, last_four, digest)$
-- A key; nothing if its last four characters are taken in the store.
INSERT INTO keys (store_id, live, role, fulfiller, name, prefix, last_four, digest)
VALUES (:store_id, :live, :role, :fulfiller, :name, :prefix, :last_four, :digest)
ON CONFLICT DO NOTHING RETURNING id

-- name: list_keys(store)
-- The keys of one store, or of all (null), without anything that would open a door.
SELECT s.name AS store, k.live, k.id, k.role, k.fulfiller, k.name, k.prefix, k.last_four, k.created_at, k.revoked_at
FROM keys k JOIN stores s ON s.store_id = k.store_id
WHERE :store::text IS NULL OR s.name = :store
ORDER BY s.name, k.live, k.created_at, k.id

-- name: revoke_key(store_id, named)
-- Revokes the key of this id or of these last four characters; gives what it was.
UPDATE keys SET revoked_at = coalesce(revoked_at, statement_timestamp())
WHERE store_id = :store_id AND (id::text = :named OR last_four = :named)
RETURNING id, live, role, prefix, last_four, revoked_at

-- name: now()$
-- The time that an id of the audit log is made of (R5).
SELECT statement_timestamp()

-- name: note_key(store_id, live, id, actor, action, subject, details)!
-- A line in the audit log.
INSERT INTO audit_log (store_id, live, id, actor, action, subject, details, created_at)
VALUES (:store_id, :live, :id, :actor, :action, :subject, :details::text::jsonb, statement_timestamp())

-- name: read_check()$
-- The sealed text.
SELECT sealed FROM key_checks

-- name: write_check(sealed)!
-- The sealed text of a database that has none.
INSERT INTO key_checks (sealed) VALUES (:sealed) ON CONFLICT DO NOTHING
