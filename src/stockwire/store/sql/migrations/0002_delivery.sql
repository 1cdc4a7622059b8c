-- Events on their way out. Nothing here is written by a ledger's batch: deliveries follow from positions (R18).

-- How far a ledger's events have become deliveries. Whoever holds the row's lock fans out.
CREATE TABLE delivery_cursors (
  store_id integer NOT NULL, live boolean NOT NULL,
  position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
  PRIMARY KEY (store_id, live),
  FOREIGN KEY (store_id, live) REFERENCES ledgers
) WITH (fillfactor = 10);

-- One event for one endpoint. A claim moves due_at behind its lease, so the deliveries of a dead worker fall due by
-- themselves; `claim` is the fencing token without which nobody settles.
CREATE TABLE deliveries (
  store_id integer NOT NULL, live boolean NOT NULL, endpoint_id uuid NOT NULL, position bigint NOT NULL CHECK (position > 0),
  id uuid NOT NULL,
  status text NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'delivered', 'failed', 'cancelled', 'superseded')),
  due_at timestamptz NOT NULL,
  claim uuid,
  attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  first_attempt_at timestamptz,                 -- from here the 72 hours count
  created_at timestamptz NOT NULL,
  settled_at timestamptz,
  -- One delivery by webhook and position: fan-out twice is impossible; settle; the log of one webhook, newest first.
  PRIMARY KEY (store_id, live, endpoint_id, position),
  -- One delivery by id; the log of all webhooks, newest first (ids rise with time); pruning by age.
  UNIQUE (store_id, live, id),
  CONSTRAINT deliveries_settled CHECK ((status = 'pending') = (settled_at IS NULL)),
  CONSTRAINT deliveries_claim   CHECK (claim IS NULL OR status = 'pending')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0.05);
-- Claim: what is due for an endpoint, oldest first. Also what is pending for it.
CREATE INDEX deliveries_due ON deliveries (store_id, live, endpoint_id, due_at) WHERE status = 'pending';

-- One HTTP request each, as it went. Times in microseconds; excerpts are cut and cleaned of secrets.
CREATE TABLE attempts (
  store_id integer NOT NULL, live boolean NOT NULL, endpoint_id uuid NOT NULL, position bigint NOT NULL,
  number smallint NOT NULL CHECK (number > 0),
  started_at timestamptz NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('delivered', 'failed', 'gone')),
  why text,                                     -- null when delivered: timed_out, address_refused, status, …
  status smallint CHECK (status BETWEEN 100 AND 999),
  peer text,                                    -- the address that was connected to
  connect_micros integer, first_byte_micros integer, total_micros integer NOT NULL,
  response_head bytea, response_body bytea,
  next_at timestamptz,                          -- when the next attempt is due
  -- The attempts of one delivery, in order.
  PRIMARY KEY (store_id, live, endpoint_id, position, number)
);

-- How an endpoint fares, since it was last switched on (R19). `start_position` says for which of its lives this holds.
CREATE TABLE endpoint_health (
  store_id integer NOT NULL, live boolean NOT NULL, endpoint_id uuid NOT NULL,
  start_position bigint NOT NULL,
  last_attempt_at timestamptz NOT NULL,
  last_success_at timestamptz,
  failing_since timestamptz,                    -- the first failed attempt after the last 2xx
  failed_attempts integer NOT NULL DEFAULT 0 CHECK (failed_attempts >= 0),   -- after the last 2xx
  gone boolean NOT NULL DEFAULT false,          -- it answered 410
  PRIMARY KEY (store_id, live, endpoint_id)
) WITH (fillfactor = 20);
