-- Events as they are looked at: the list, one, and the feed in order of position.

-- name: event_page(store_id, live, types, prefixes, fulfiller, gt, gte, lt, lte, cursor, backward, limit)
-- A page of events, newest first. `cursor` is the id of an event; `prefixes` are the type filters that ended in a star.
SELECT e.id, e.body FROM events e
WHERE e.store_id = :store_id AND e.live = :live
  AND (:types::text[] IS NULL OR e.type = ANY (:types::text[]) OR EXISTS (SELECT FROM unnest(:prefixes::text[]) p WHERE starts_with(e.type, p)))
  AND (:fulfiller::text IS NULL OR e.fulfiller = :fulfiller::text)
  AND (:gt::timestamptz IS NULL OR e.created_at > :gt::timestamptz)
  AND (:gte::timestamptz IS NULL OR e.created_at >= :gte::timestamptz)
  AND (:lt::timestamptz IS NULL OR e.created_at < :lt::timestamptz)
  AND (:lte::timestamptz IS NULL OR e.created_at <= :lte::timestamptz)
  AND (:cursor::uuid IS NULL OR CASE WHEN :backward::boolean
        THEN e.position > (SELECT c.position FROM events c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor::uuid)
        ELSE e.position < (SELECT c.position FROM events c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor::uuid) END)
ORDER BY CASE WHEN :backward::boolean THEN e.position END ASC, CASE WHEN NOT :backward::boolean THEN e.position END DESC
LIMIT :limit

-- name: event_page_of(store_id, live, ids, types, prefixes, fulfiller, gt, gte, lt, lte, cursor, backward, limit)
-- The same for some items: each gives as many as a page has, in the order of its index, and they are merged.
SELECT m.id, m.body FROM unnest(:ids::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
  SELECT e.id, e.body, e.position FROM events e
  WHERE e.store_id = :store_id AND e.live = :live AND e.item_id = asked.id
    AND (:types::text[] IS NULL OR e.type = ANY (:types::text[]) OR EXISTS (SELECT FROM unnest(:prefixes::text[]) p WHERE starts_with(e.type, p)))
    AND (:fulfiller::text IS NULL OR e.fulfiller = :fulfiller::text)
    AND (:gt::timestamptz IS NULL OR e.created_at > :gt::timestamptz)
    AND (:gte::timestamptz IS NULL OR e.created_at >= :gte::timestamptz)
    AND (:lt::timestamptz IS NULL OR e.created_at < :lt::timestamptz)
    AND (:lte::timestamptz IS NULL OR e.created_at <= :lte::timestamptz)
    AND (:cursor::uuid IS NULL OR CASE WHEN :backward::boolean
          THEN e.position > (SELECT c.position FROM events c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor::uuid)
          ELSE e.position < (SELECT c.position FROM events c WHERE c.store_id = :store_id AND c.live = :live AND c.id = :cursor::uuid) END)
  ORDER BY CASE WHEN :backward::boolean THEN e.position END ASC, CASE WHEN NOT :backward::boolean THEN e.position END DESC
  LIMIT :limit
) m
ORDER BY CASE WHEN :backward::boolean THEN m.position END ASC, CASE WHEN NOT :backward::boolean THEN m.position END DESC
LIMIT :limit

-- name: event(store_id, live, id)^
-- One event.
SELECT e.body, e.fulfiller FROM events e WHERE e.store_id = :store_id AND e.live = :live AND e.id = :id

-- name: head(store_id, live)^
-- Where the feed begins and ends, and which feed it is.
SELECT position, pruned_to, feed_id FROM ledgers WHERE store_id = :store_id AND live = :live

-- name: feed(store_id, live, after, until, types, prefixes, part, fulfiller, limit)
-- Events behind a position in order, none beyond `until`: a filter that fits nothing examines a bounded stretch.
SELECT e.position, e.type, e.part_number, e.fulfiller, e.body FROM events e
WHERE e.store_id = :store_id AND e.live = :live AND e.position > :after AND e.position <= :until
  AND (:types::text[] IS NULL OR e.type = ANY (:types::text[]) OR EXISTS (SELECT FROM unnest(:prefixes::text[]) p WHERE starts_with(e.type, p)))
  AND (:part::text IS NULL OR e.part_number = :part::text)
  AND (:fulfiller::text IS NULL OR e.fulfiller = :fulfiller::text)
ORDER BY e.position LIMIT :limit
