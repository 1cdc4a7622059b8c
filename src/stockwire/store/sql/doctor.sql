-- What `stockwire doctor` asks.

-- name: server()^
-- The server and what makes its commits durable.
SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit

-- name: clock()$
-- The database's time.
SELECT clock_timestamp()

-- name: queues()
-- What waits in each ledger: events that are not fanned out, deliveries that are due, holds that should have ended.
SELECT s.name, l.live,
       CASE WHEN EXISTS (SELECT FROM endpoints e WHERE e.store_id = l.store_id AND e.live = l.live AND e.enabled)
            THEN greatest(0, l.position - coalesce((SELECT c.position FROM delivery_cursors c
                                                    WHERE c.store_id = l.store_id AND c.live = l.live), 0)) ELSE 0 END AS behind,
       (SELECT count(*) FROM deliveries d WHERE d.store_id = l.store_id AND d.live = l.live AND d.status = 'pending'
           AND d.due_at <= statement_timestamp()) AS due,
       (SELECT extract(epoch FROM statement_timestamp() - min(d.due_at))::float8 FROM deliveries d
          WHERE d.store_id = l.store_id AND d.live = l.live AND d.status = 'pending' AND d.due_at <= statement_timestamp()) AS oldest_due_seconds,
       (SELECT extract(epoch FROM statement_timestamp() - min(r.expires_at))::float8 FROM reservation_lines r
          WHERE r.store_id = l.store_id AND r.live = l.live AND r.holding AND r.expires_at <= statement_timestamp()) AS overdue_hold_seconds
FROM ledgers l JOIN stores s ON s.store_id = l.store_id ORDER BY s.name, l.live

-- name: ledgers()
-- Every ledger, with its head.
SELECT s.name, l.store_id, l.live, l.position FROM ledgers l JOIN stores s ON s.store_id = l.store_id ORDER BY s.name, l.live
