-- name: webhooks(store_id, live, id)
-- The webhooks of a ledger (at most 50), or one of them, with how their deliveries fare; newest first.
SELECT e.id, e.address, e.types, e.enabled, e.start_position, e.status_reason, e.description, e.settings, e.credentials,
       e.created_at, e.updated_at, h.last_attempt_at, h.last_success_at,
       coalesce(h.failing_since < statement_timestamp() - interval '1 minute', false) AS failing, p.pending
FROM endpoints e
LEFT JOIN endpoint_health h ON h.store_id = e.store_id AND h.live = e.live AND h.endpoint_id = e.id
  AND h.start_position = e.start_position
CROSS JOIN LATERAL (
  SELECT count(*) AS pending FROM (
    SELECT FROM deliveries d
    WHERE d.store_id = e.store_id AND d.live = e.live AND d.endpoint_id = e.id AND d.status = 'pending'
    LIMIT 100000) x
) p
WHERE e.store_id = :store_id AND e.live = :live AND e.id = coalesce(:id::uuid, e.id)
ORDER BY e.id DESC

-- name: webhook_secrets(store_id, live, id)
-- The live secrets of a webhook, newest first.
SELECT id, secret, created_at, expires_at
FROM endpoint_secrets
WHERE store_id = :store_id AND live = :live AND endpoint_id = :id
  AND (expires_at IS NULL OR expires_at > statement_timestamp())
ORDER BY created_at DESC, id DESC

-- name: newest_deliveries(store_id, live, status, type, prefix, cursor, limit)
-- A page of all deliveries, newest first, before the one of this id.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM deliveries d
LEFT JOIN events e ON e.store_id = d.store_id AND e.live = d.live AND e.position = d.position
WHERE d.store_id = :store_id AND d.live = :live AND d.id < coalesce(:cursor::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND (:status::text IS NULL OR d.status = :status)
  AND (:type::text IS NULL OR e.type = :type) AND (:prefix::text IS NULL OR starts_with(e.type, :prefix))
ORDER BY d.id DESC
LIMIT :limit

-- name: later_deliveries(store_id, live, status, type, prefix, cursor, limit)
-- The page of all deliveries that lies before the one of this id in the list: those made after it, oldest first.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM deliveries d
LEFT JOIN events e ON e.store_id = d.store_id AND e.live = d.live AND e.position = d.position
WHERE d.store_id = :store_id AND d.live = :live AND d.id > :cursor::uuid
  AND (:status::text IS NULL OR d.status = :status)
  AND (:type::text IS NULL OR e.type = :type) AND (:prefix::text IS NULL OR starts_with(e.type, :prefix))
ORDER BY d.id
LIMIT :limit

-- name: newest_of_webhook(store_id, live, webhook_id, status, type, prefix, cursor, limit)
-- A page of one webhook's deliveries, newest first, before the one of this id.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM deliveries d
LEFT JOIN events e ON e.store_id = d.store_id AND e.live = d.live AND e.position = d.position
WHERE d.store_id = :store_id AND d.live = :live AND d.endpoint_id = :webhook_id AND d.position < CASE
    WHEN :cursor::uuid IS NULL THEN 9223372036854775807
    ELSE (SELECT c.position FROM deliveries c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor) END
  AND (:status::text IS NULL OR d.status = :status)
  AND (:type::text IS NULL OR e.type = :type) AND (:prefix::text IS NULL OR starts_with(e.type, :prefix))
ORDER BY d.position DESC
LIMIT :limit

-- name: later_of_webhook(store_id, live, webhook_id, status, type, prefix, cursor, limit)
-- The page of one webhook's deliveries that lies before the one of this id in the list, oldest first.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM deliveries d
LEFT JOIN events e ON e.store_id = d.store_id AND e.live = d.live AND e.position = d.position
WHERE d.store_id = :store_id AND d.live = :live AND d.endpoint_id = :webhook_id
  AND d.position > (SELECT c.position FROM deliveries c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor::uuid)
  AND (:status::text IS NULL OR d.status = :status)
  AND (:type::text IS NULL OR e.type = :type) AND (:prefix::text IS NULL OR starts_with(e.type, :prefix))
ORDER BY d.position
LIMIT :limit

-- name: deliveries_of_event(store_id, live, event_id)
-- The deliveries of one event to the webhooks that there are (at most 50), newest webhook first.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM events e
JOIN endpoints p ON p.store_id = e.store_id AND p.live = e.live
JOIN deliveries d ON d.store_id = e.store_id AND d.live = e.live AND d.endpoint_id = p.id AND d.position = e.position
WHERE e.store_id = :store_id AND e.live = :live AND e.id = :event_id
ORDER BY d.id DESC

-- name: delivery(store_id, live, id)^
-- One delivery.
SELECT d.id, d.endpoint_id, d.position, d.status, d.attempts, d.claim, d.due_at, d.created_at, d.settled_at,
       e.id AS event_id, e.type
FROM deliveries d
LEFT JOIN events e ON e.store_id = d.store_id AND e.live = d.live AND e.position = d.position
WHERE d.store_id = :store_id AND d.live = :live AND d.id = :id

-- name: attempts(store_id, live, endpoint_id, position)
-- The attempts of one delivery, first to last.
SELECT number, started_at, verdict, why, status, peer, connect_micros, first_byte_micros, total_micros,
       response_head, response_body, next_at
FROM attempts
WHERE store_id = :store_id AND live = :live AND endpoint_id = :endpoint_id AND position = :position
ORDER BY number
