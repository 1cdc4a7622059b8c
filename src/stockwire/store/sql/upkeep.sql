-- What the periodic jobs ask and remove.

-- name: ledgers_with_due_holds()
-- Ledgers in which a hold's time has come.
SELECT l.store_id, l.live FROM ledgers l
WHERE EXISTS (SELECT FROM reservation_lines r
              WHERE r.store_id = l.store_id AND r.live = l.live AND r.holding AND r.expires_at <= statement_timestamp())

-- name: ledgers()
-- Every ledger.
SELECT store_id, live FROM ledgers ORDER BY store_id, live

-- name: prune_answers(age, most)!
-- The oldest kept answers beyond their age, a small batch.
DELETE FROM answers a USING (
  SELECT store_id, live, key, slice FROM answers WHERE created_at < statement_timestamp() - :age::interval LIMIT :most) old
WHERE (a.store_id, a.live, a.key, a.slice) = (old.store_id, old.live, old.key, old.slice)

-- name: oldest_events(store_id, live, age, most)$
-- Up to which position a small batch of events is beyond its age and wanted by no delivery: null for none.
SELECT max(position) FROM (
  SELECT e.position FROM events e
  WHERE e.store_id = :store_id AND e.live = :live AND e.created_at < statement_timestamp() - :age::interval
    AND e.position > (SELECT pruned_to FROM ledgers WHERE store_id = :store_id AND live = :live)
    AND e.position < coalesce((SELECT min(d.position) FROM deliveries d
                               WHERE d.store_id = :store_id AND d.live = :live AND d.status = 'pending'), e.position + 1)
    AND e.position <= coalesce((
      SELECT min(greatest(c.position, p.start_position)) FROM endpoints p
      LEFT JOIN delivery_cursors c ON c.store_id = p.store_id AND c.live = p.live
      WHERE p.store_id = :store_id AND p.live = :live AND p.enabled), e.position)
  ORDER BY e.position LIMIT :most) old

-- name: note_pruned(store_id, live, position)!
-- From here on the feed says that these positions are gone (R16).
UPDATE ledgers SET pruned_to = :position WHERE store_id = :store_id AND live = :live AND pruned_to < :position

-- name: prune_events(store_id, live, position)!
-- The events up to a position.
DELETE FROM events WHERE store_id = :store_id AND live = :live AND position <= :position
