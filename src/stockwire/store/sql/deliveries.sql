-- Where rows are looked up for a list, the ledger comes with the list (a materialised CTE), not as a constant: of a table
-- without statistics the planner takes "store_id = $1" to leave one row, and reads the whole ledger to begin with it.

-- name: worklist()
-- Ledgers with something to do: events that an enabled endpoint may want, or deliveries that are due.
SELECT l.store_id, l.live
FROM ledgers l
LEFT JOIN delivery_cursors c ON c.store_id = l.store_id AND c.live = l.live
WHERE EXISTS (
  SELECT FROM endpoints e
  WHERE e.store_id = l.store_id AND e.live = l.live AND (
    (e.enabled AND l.position > greatest(c.position, e.start_position))
    OR EXISTS (
      SELECT FROM deliveries d
      WHERE d.store_id = l.store_id AND d.live = l.live AND d.endpoint_id = e.id AND d.status = 'pending'
        AND d.due_at <= statement_timestamp())))

-- name: open_fan_out(store_id, live)$
-- The cursor of a ledger that had none; null if it had one.
INSERT INTO delivery_cursors (store_id, live) VALUES (:store_id, :live) ON CONFLICT DO NOTHING RETURNING true

-- name: take_fan_out(store_id, live)^
-- Takes the right to fan out, unless somebody holds it. The head is read here, before the endpoints: an endpoint that
-- begins below this head is then visible to the statement that reads endpoints.
SELECT c.position, l.position AS head
FROM delivery_cursors c
JOIN ledgers l ON l.store_id = c.store_id AND l.live = c.live
WHERE c.store_id = :store_id AND c.live = :live
FOR UPDATE OF c SKIP LOCKED

-- name: endpoints(store_id, live)
-- The enabled endpoints of a ledger with their live secrets, newest first.
SELECT e.id, e.address, e.types, e.start_position, e.settings, e.credentials, s.secrets, statement_timestamp() AS now
FROM endpoints e
LEFT JOIN LATERAL (
  SELECT array_agg(x.secret ORDER BY x.created_at DESC, x.id DESC) AS secrets
  FROM endpoint_secrets x
  WHERE x.store_id = e.store_id AND x.live = e.live AND x.endpoint_id = e.id
    AND (x.expires_at IS NULL OR x.expires_at > statement_timestamp())
) s ON true
WHERE e.store_id = :store_id AND e.live = :live AND e.enabled

-- name: events_between(store_id, live, after, upto, most)
-- The next events to fan out, in order.
SELECT position, id, type, part_number, fulfiller, body
FROM events
WHERE store_id = :store_id AND live = :live AND position > :after AND position <= :upto
ORDER BY position
LIMIT :most

-- name: fan_out(store_id, live, position, claim, endpoint_ids, positions, ids, lease_seconds)$
-- Inserts deliveries, those with a lease already claimed, and moves the cursor. Gives the number inserted.
WITH fresh AS (
  INSERT INTO deliveries (store_id, live, endpoint_id, position, id, due_at, claim, created_at)
  SELECT :store_id, :live, n.endpoint_id, n.position, n.id,
         statement_timestamp() + make_interval(secs => coalesce(n.lease, 0)),
         CASE WHEN n.lease IS NOT NULL THEN :claim::uuid END, statement_timestamp()
  FROM unnest(:endpoint_ids::uuid[], :positions::bigint[], :ids::uuid[], :lease_seconds::float8[])
    AS n(endpoint_id, position, id, lease)
  ON CONFLICT DO NOTHING
  RETURNING 1
), moved AS (
  UPDATE delivery_cursors SET position = :position WHERE store_id = :store_id AND live = :live
)
SELECT count(*) FROM fresh

-- name: claim(store_id, live, claim, endpoint_ids, start_positions, rooms, lease_seconds)
-- Takes what is due, for each endpoint up to its room, oldest first. What an endpoint left pending when it was switched
-- off is cancelled here instead (R19). Cost does not grow with the number of due rows.
WITH picked AS MATERIALIZED (
  SELECT :store_id::int AS store_id, :live::boolean AS live, w.endpoint_id, d.position, w.lease,
         d.position > w.start_position AS wanted
  FROM unnest(:endpoint_ids::uuid[], :start_positions::bigint[], :rooms::int[], :lease_seconds::float8[])
    AS w(endpoint_id, start_position, room, lease)
  CROSS JOIN LATERAL (
    SELECT x.position
    FROM deliveries x
    WHERE x.store_id = :store_id AND x.live = :live AND x.endpoint_id = w.endpoint_id AND x.status = 'pending'
      AND x.due_at <= statement_timestamp()
    ORDER BY x.due_at
    LIMIT w.room
    FOR UPDATE SKIP LOCKED
  ) d
), taken AS (
  UPDATE deliveries d
  SET status     = CASE WHEN p.wanted THEN 'pending' ELSE 'cancelled' END,
      claim      = CASE WHEN p.wanted THEN :claim::uuid END,
      due_at     = CASE WHEN p.wanted THEN statement_timestamp() + make_interval(secs => p.lease) ELSE d.due_at END,
      settled_at = CASE WHEN p.wanted THEN NULL ELSE statement_timestamp() END
  FROM picked p
  WHERE d.store_id = p.store_id AND d.live = p.live AND d.endpoint_id = p.endpoint_id AND d.position = p.position
  RETURNING d.store_id, d.live, d.endpoint_id, d.position, d.id, d.attempts, d.first_attempt_at, p.wanted
)
SELECT t.endpoint_id, t.position, t.id, t.attempts, t.first_attempt_at, e.id AS event_id, e.type, e.body
FROM taken t
JOIN events e ON e.store_id = t.store_id AND e.live = t.live AND e.position = t.position
WHERE t.wanted
ORDER BY t.position

-- name: release(store_id, live, endpoint_ids, positions, claims)!
-- Gives claimed deliveries back, due at once.
WITH held AS MATERIALIZED (
  SELECT :store_id::int AS store_id, :live::boolean AS live, r.*
  FROM unnest(:endpoint_ids::uuid[], :positions::bigint[], :claims::uuid[]) AS r(endpoint_id, position, claim)
)
UPDATE deliveries d
SET claim = NULL, due_at = statement_timestamp()
FROM held r
WHERE d.store_id = r.store_id AND d.live = r.live AND d.endpoint_id = r.endpoint_id AND d.position = r.position
  AND d.claim = r.claim

-- name: settle(store_id, live, endpoint_ids, positions, claims, statuses, waits, started_at, verdicts, whys, http_statuses, peers, connects, first_bytes, totals, heads, bodies)$
-- Writes what attempts came to, and the attempts. Only the holder of the claim settles: the count shows a stale worker.
WITH given AS MATERIALIZED (
  SELECT :store_id::int AS store_id, :live::boolean AS live, g.*
  FROM unnest(:endpoint_ids::uuid[], :positions::bigint[], :claims::uuid[], :statuses::text[], :waits::float8[],
              :started_at::timestamptz[], :verdicts::text[], :whys::text[], :http_statuses::smallint[], :peers::text[],
              :connects::int[], :first_bytes::int[], :totals::int[], :heads::bytea[], :bodies::bytea[])
    AS g(endpoint_id, position, claim, status, wait, started_at, verdict, why, http_status, peer,
         connect_micros, first_byte_micros, total_micros, head, body)
), settled AS (
  UPDATE deliveries d
  SET status = g.status, claim = NULL, attempts = d.attempts + 1,
      first_attempt_at = coalesce(d.first_attempt_at, g.started_at),
      due_at     = CASE WHEN g.status = 'pending' THEN statement_timestamp() + make_interval(secs => g.wait) ELSE d.due_at END,
      settled_at = CASE WHEN g.status = 'pending' THEN NULL ELSE statement_timestamp() END
  FROM given g
  WHERE d.store_id = g.store_id AND d.live = g.live AND d.endpoint_id = g.endpoint_id AND d.position = g.position
    AND d.claim = g.claim
  RETURNING d.endpoint_id, d.position, d.attempts, CASE WHEN d.status = 'pending' THEN d.due_at END AS next_at
), recorded AS (
  INSERT INTO attempts (store_id, live, endpoint_id, position, number, started_at, verdict, why, status, peer,
                        connect_micros, first_byte_micros, total_micros, response_head, response_body, next_at)
  SELECT :store_id, :live, g.endpoint_id, g.position, s.attempts, g.started_at, g.verdict, g.why, g.http_status, g.peer,
         g.connect_micros, g.first_byte_micros, g.total_micros, g.head, g.body, s.next_at
  FROM settled s
  JOIN given g ON g.endpoint_id = s.endpoint_id AND g.position = s.position
)
SELECT count(*) FROM settled

-- name: note_health(store_id, live, endpoint_ids, start_positions, attempt_at, success_at, failing_since, failures, gone)
-- Adds what a batch of attempts says of its endpoints; gives those that are failing. A note on an endpoint's earlier
-- life (before it was last switched on) changes nothing, one on a new life begins afresh.
WITH noted AS (
  INSERT INTO endpoint_health AS h (store_id, live, endpoint_id, start_position, last_attempt_at, last_success_at,
                                    failing_since, failed_attempts, gone)
  SELECT :store_id, :live, n.*
  FROM unnest(:endpoint_ids::uuid[], :start_positions::bigint[], :attempt_at::timestamptz[], :success_at::timestamptz[],
              :failing_since::timestamptz[], :failures::int[], :gone::boolean[])
    AS n(endpoint_id, start_position, attempt_at, success_at, failing_since, failures, gone)
  ORDER BY n.endpoint_id
  ON CONFLICT (store_id, live, endpoint_id) DO UPDATE
  SET start_position  = excluded.start_position,
      last_attempt_at = greatest(h.last_attempt_at, excluded.last_attempt_at),
      last_success_at = greatest(h.last_success_at, excluded.last_success_at),
      failing_since   = CASE WHEN excluded.last_success_at IS NOT NULL OR excluded.start_position > h.start_position
                             THEN excluded.failing_since ELSE coalesce(h.failing_since, excluded.failing_since) END,
      failed_attempts = CASE WHEN excluded.last_success_at IS NOT NULL OR excluded.start_position > h.start_position
                             THEN excluded.failed_attempts ELSE h.failed_attempts + excluded.failed_attempts END,
      gone            = CASE WHEN excluded.start_position > h.start_position
                             THEN excluded.gone ELSE h.gone OR excluded.gone END
  WHERE excluded.start_position >= h.start_position
  RETURNING h.endpoint_id, h.failed_attempts, h.failing_since, h.gone
)
SELECT endpoint_id, failed_attempts, gone,
       extract(epoch FROM statement_timestamp() - failing_since)::float8 AS failing_seconds
FROM noted
WHERE gone OR failing_since IS NOT NULL

-- name: failing()
-- Every enabled endpoint that fails, with how long and how often: so that one that is to be switched off is, though a
-- worker died before it could say so.
SELECT h.store_id, h.live, h.endpoint_id, h.failed_attempts, h.gone,
       extract(epoch FROM statement_timestamp() - h.failing_since)::float8 AS failing_seconds
FROM endpoint_health h
JOIN endpoints e ON e.store_id = h.store_id AND e.live = h.live AND e.id = h.endpoint_id
WHERE e.enabled AND e.start_position = h.start_position AND (h.gone OR h.failing_since IS NOT NULL)

-- name: unwanted()
-- Ledgers with deliveries pending for endpoints that are switched off or deleted. Hops from endpoint to endpoint in the
-- index of what is pending, so that a long backlog costs nothing.
WITH RECURSIVE holders AS (
  (SELECT d.store_id, d.live, d.endpoint_id FROM deliveries d
   WHERE d.status = 'pending' ORDER BY d.store_id, d.live, d.endpoint_id LIMIT 1)
  UNION ALL
  SELECT n.store_id, n.live, n.endpoint_id
  FROM holders h
  CROSS JOIN LATERAL (
    SELECT d.store_id, d.live, d.endpoint_id FROM deliveries d
    WHERE d.status = 'pending' AND (d.store_id, d.live, d.endpoint_id) > (h.store_id, h.live, h.endpoint_id)
    ORDER BY d.store_id, d.live, d.endpoint_id LIMIT 1) n
)
SELECT DISTINCT h.store_id, h.live
FROM holders h
WHERE NOT EXISTS (
  SELECT FROM endpoints e WHERE e.store_id = h.store_id AND e.live = h.live AND e.id = h.endpoint_id AND e.enabled)

-- name: cancel_unwanted(store_id, live, most)$
-- Cancels what is pending for endpoints that are switched off or deleted (R19). Gives the number cancelled.
WITH RECURSIVE holders AS (
  (SELECT d.endpoint_id FROM deliveries d
   WHERE d.store_id = :store_id AND d.live = :live AND d.status = 'pending' ORDER BY d.endpoint_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.endpoint_id FROM deliveries d
          WHERE d.store_id = :store_id AND d.live = :live AND d.status = 'pending' AND d.endpoint_id > h.endpoint_id
          ORDER BY d.endpoint_id LIMIT 1)
  FROM holders h WHERE h.endpoint_id IS NOT NULL
), off AS MATERIALIZED (
  SELECT h.endpoint_id FROM holders h
  WHERE h.endpoint_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM endpoints e
    WHERE e.store_id = :store_id AND e.live = :live AND e.id = h.endpoint_id AND e.enabled)
), unwanted AS MATERIALIZED (
  SELECT :store_id::int AS store_id, :live::boolean AS live, o.endpoint_id, d.position
  FROM off o
  CROSS JOIN LATERAL (
    SELECT x.position FROM deliveries x
    WHERE x.store_id = :store_id AND x.live = :live AND x.endpoint_id = o.endpoint_id AND x.status = 'pending'
    LIMIT :most
    FOR UPDATE SKIP LOCKED
  ) d
), cancelled AS (
  UPDATE deliveries d
  SET status = 'cancelled', claim = NULL, settled_at = statement_timestamp()
  FROM unwanted u
  WHERE d.store_id = u.store_id AND d.live = u.live AND d.endpoint_id = u.endpoint_id AND d.position = u.position
  RETURNING 1
)
SELECT count(*) FROM cancelled

-- name: prune(store_id, live, kept, most)$
-- Deletes the oldest settled deliveries with their attempts, if they are older than `kept`. Gives the number looked at
-- and old enough, so that the caller knows when to stop.
WITH oldest AS MATERIALIZED (
  SELECT :store_id::int AS store_id, :live::boolean AS live, endpoint_id, position
  FROM (SELECT endpoint_id, position, status, created_at FROM deliveries
        WHERE store_id = :store_id AND live = :live ORDER BY id LIMIT :most) d
  WHERE d.created_at < statement_timestamp() - :kept::interval AND d.status <> 'pending'
), logged AS (
  DELETE FROM attempts a USING oldest o
  WHERE a.store_id = o.store_id AND a.live = o.live AND a.endpoint_id = o.endpoint_id AND a.position = o.position
), gone AS (
  DELETE FROM deliveries d USING oldest o
  WHERE d.store_id = o.store_id AND d.live = o.live AND d.endpoint_id = o.endpoint_id AND d.position = o.position
  RETURNING 1
)
SELECT count(*) FROM gone

-- name: ledgers()
-- Every ledger that ever had deliveries.
SELECT store_id, live FROM delivery_cursors
