-- The ledger of a store: what is there, what was promised, every change of it, and the events that tell of it.
-- The key of every table but `stores` begins with the ledger (store and mode); no key, foreign key or sequence crosses ledgers.
--
-- Of several indexes that look equally good, as all do while a table is empty, the planner takes the one made last. So
-- the index of a table's hottest look-up is made after the others.

-- One row per merchant. Reference data.
CREATE TABLE stores (
  store_id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name              text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]{1,32}$'),   -- stands in every key of the store
  own_fulfiller     text COLLATE "C" NOT NULL CHECK (char_length(own_fulfiller) BETWEEN 1 AND 100),
  public_quantities boolean NOT NULL DEFAULT false,
  created_at        timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- The head of a ledger. Every batch locks it; it holds the last position and the ledger's own clock.
CREATE TABLE ledgers (
  store_id     integer     NOT NULL REFERENCES stores,
  live         boolean     NOT NULL,
  position     bigint      NOT NULL DEFAULT 0 CHECK (position >= 0),
  committed_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  feed_id      uuid        NOT NULL DEFAULT gen_random_uuid(),     -- a restore from backup makes a new one
  pruned_to    bigint      NOT NULL DEFAULT 0 CHECK (pruned_to >= 0),   -- events up to this position are gone
  PRIMARY KEY (store_id, live)
) WITH (fillfactor = 10);

CREATE TABLE keys (
  store_id integer NOT NULL, live boolean NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid(),
  role       text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer', 'fulfiller', 'public')),
  fulfiller  text COLLATE "C",
  name       text NOT NULL DEFAULT '',
  prefix     text NOT NULL,                                         -- sk_test_acme_
  last_four  text NOT NULL,
  digest     bytea NOT NULL CHECK (octet_length(digest) = 32),      -- SHA-256 of the whole key
  created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  revoked_at timestamptz,
  PRIMARY KEY (store_id, live, id),
  UNIQUE (store_id, live, digest),
  UNIQUE (store_id, last_four),
  FOREIGN KEY (store_id, live) REFERENCES ledgers,
  CHECK ((role = 'fulfiller') = (fulfiller IS NOT NULL))
);

-- What an item is: changes seldom. part_number and fulfiller never change. A deleted item leaves its row as a tombstone.
CREATE TABLE items (
  store_id integer NOT NULL, live boolean NOT NULL, id uuid NOT NULL,
  part_number          text COLLATE "C" NOT NULL CHECK (char_length(part_number) BETWEEN 1 AND 128),
  fulfiller            text COLLATE "C" NOT NULL CHECK (char_length(fulfiller) BETWEEN 1 AND 100),
  fulfiller_managed    boolean NOT NULL DEFAULT false,
  products             jsonb   NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(products) = 'array'),   -- [[productId, externalReferenceId|null], …] in order
  low_stock_threshold  bigint  CHECK (low_stock_threshold BETWEEN 0 AND 9007199254740991),
  expected_in_stock_at timestamptz,
  metadata             jsonb   NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, deleted_at timestamptz,
  PRIMARY KEY (store_id, live, id)                        -- ids rise with time: also the list, newest first
);
CREATE INDEX items_of_fulfiller ON items (store_id, live, fulfiller, id);
ALTER TABLE items ADD UNIQUE (store_id, live, part_number, fulfiller);   -- also the search by prefix of a part number

-- The same products, to look an item up by. Replaced whole with the item's `products`.
CREATE TABLE item_products (
  store_id integer NOT NULL, live boolean NOT NULL,
  product_id text COLLATE "C" NOT NULL CHECK (char_length(product_id) BETWEEN 1 AND 128),
  item_id uuid NOT NULL,
  external_reference_id text COLLATE "C",
  PRIMARY KEY (store_id, live, product_id, item_id),
  FOREIGN KEY (store_id, live, item_id) REFERENCES items
);
CREATE INDEX item_products_of_item ON item_products (store_id, live, item_id);
CREATE INDEX item_products_by_reference ON item_products (store_id, live, external_reference_id, item_id) WHERE external_reference_id IS NOT NULL;

-- The counters: narrow, hot, and lawful whoever writes them (R1). The back order policy lives here because the law needs it.
CREATE TABLE levels (
  store_id integer NOT NULL, live boolean NOT NULL, item_id uuid NOT NULL,
  on_hand   bigint NOT NULL DEFAULT 0,
  reserved  bigint NOT NULL DEFAULT 0,
  allocated bigint NOT NULL DEFAULT 0,
  allow_back_order boolean NOT NULL DEFAULT false,
  back_order_limit bigint,
  excused   bigint NOT NULL DEFAULT 0,         -- units by which counts, feeds and policy edits put promises above the law
  sequence  bigint NOT NULL DEFAULT 0,         -- of the item's last movement
  published bigint NOT NULL DEFAULT 0,         -- sequence of the last movement that an event told of
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (store_id, live, item_id),
  FOREIGN KEY (store_id, live, item_id) REFERENCES items,
  CONSTRAINT levels_on_hand   CHECK (on_hand   BETWEEN 0 AND 9007199254740991),
  CONSTRAINT levels_reserved  CHECK (reserved  BETWEEN 0 AND 9007199254740991),
  CONSTRAINT levels_allocated CHECK (allocated BETWEEN 0 AND 9007199254740991),
  CONSTRAINT levels_limit     CHECK (back_order_limit BETWEEN 0 AND 9007199254740991),
  CONSTRAINT levels_excused   CHECK (excused >= 0),
  CONSTRAINT levels_sequence  CHECK (sequence >= 0 AND published BETWEEN 0 AND sequence),
  CONSTRAINT levels_never_oversold CHECK (
    reserved + allocated <= on_hand + excused
      + CASE WHEN allow_back_order THEN coalesce(back_order_limit, 9007199254740991) ELSE 0 END)
) WITH (fillfactor = 50);

-- The immutable ledger. The values after each movement make `at` a look-up and the audit a window function.
CREATE TABLE movements (
  store_id integer NOT NULL, live boolean NOT NULL, item_id uuid NOT NULL, sequence bigint NOT NULL, id uuid NOT NULL,
  type text NOT NULL CHECK (type IN ('opening', 'set', 'adjust', 'count', 'receive', 'transfer', 'reserve', 'release', 'expire',
                                     'order', 'ship', 'cancel', 'return', 'feed')),
  on_hand_delta bigint NOT NULL, reserved_delta bigint NOT NULL, allocated_delta bigint NOT NULL,
  on_hand bigint NOT NULL, reserved bigint NOT NULL, allocated bigint NOT NULL,
  change_id uuid NOT NULL,                      -- the command it belongs to: both legs of a transfer, all lines of an order
  reason text, reference text, actor text NOT NULL,
  occurred_at timestamptz NOT NULL,             -- for `expire`: the hold's expiry, from which it counts
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (store_id, live, item_id, sequence),
  UNIQUE (store_id, live, item_id, id),         -- ids rise with the ledger's clock: cursors and `at`
  CONSTRAINT movements_lawful CHECK (sequence > 0 AND on_hand >= 0 AND reserved >= 0 AND allocated >= 0),
  CONSTRAINT movements_move   CHECK (on_hand_delta <> 0 OR reserved_delta <> 0 OR allocated_delta <> 0)
);

-- The gap-free log. The bytes are fixed here and are the same in every delivery, retry and read (R26: text, never jsonb).
CREATE TABLE events (
  store_id integer NOT NULL, live boolean NOT NULL, position bigint NOT NULL CHECK (position > 0), id uuid NOT NULL,
  type text COLLATE "C" NOT NULL, item_id uuid, part_number text COLLATE "C", fulfiller text COLLATE "C",
  created_at timestamptz NOT NULL, body text NOT NULL,
  PRIMARY KEY (store_id, live, position),
  UNIQUE (store_id, live, id)
);
CREATE INDEX events_of_item ON events (store_id, live, item_id, position) WHERE item_id IS NOT NULL;

CREATE TABLE reservations (
  store_id integer NOT NULL, live boolean NOT NULL, id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 64),
  status      text NOT NULL CHECK (status IN ('reserved', 'ordered', 'released', 'expired')),
  expires_at  timestamptz NOT NULL,
  reference   text, metadata jsonb NOT NULL DEFAULT '{}',
  fingerprint bytea NOT NULL,                   -- of the body that made it: the same id twice is the same object
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
);
CREATE INDEX reservations_newest ON reservations (store_id, live, created_at, id);
ALTER TABLE reservations ADD PRIMARY KEY (store_id, live, id);
CREATE TABLE reservation_lines (
  store_id integer NOT NULL, live boolean NOT NULL, reservation_id text COLLATE "C" NOT NULL, item_id uuid NOT NULL,
  place smallint NOT NULL,
  quantity    bigint NOT NULL CHECK (quantity > 0),
  backordered bigint NOT NULL DEFAULT 0 CHECK (backordered BETWEEN 0 AND quantity),
  allow_back_order boolean NOT NULL DEFAULT true,   -- false: this line may not use the item's back order room
  expires_at  timestamptz NOT NULL,
  holding     boolean NOT NULL                      -- counts in the item's `reserved`
);
CREATE INDEX reservation_lines_due     ON reservation_lines (store_id, live, expires_at) WHERE holding;            -- the next hold to end
CREATE INDEX reservation_lines_holding ON reservation_lines (store_id, live, item_id, expires_at) WHERE holding;   -- due holds of an item
ALTER TABLE reservation_lines ADD PRIMARY KEY (store_id, live, reservation_id, item_id);

CREATE TABLE orders (
  store_id integer NOT NULL, live boolean NOT NULL, id text COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 64),
  reservation_id text COLLATE "C", reference text, fingerprint bytea NOT NULL,
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
);
CREATE INDEX orders_newest ON orders (store_id, live, created_at, id);
ALTER TABLE orders ADD PRIMARY KEY (store_id, live, id);
CREATE TABLE order_lines (
  store_id integer NOT NULL, live boolean NOT NULL, order_id text COLLATE "C" NOT NULL, item_id uuid NOT NULL,
  place smallint NOT NULL,
  quantity    bigint NOT NULL CHECK (quantity > 0),
  backordered bigint NOT NULL DEFAULT 0 CHECK (backordered BETWEEN 0 AND quantity),
  shipped     bigint NOT NULL DEFAULT 0 CHECK (shipped >= 0),
  cancelled   bigint NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  returned    bigint NOT NULL DEFAULT 0 CHECK (returned BETWEEN 0 AND shipped),
  unit_price  text, currency text,
  CONSTRAINT order_lines_units CHECK (shipped + cancelled <= quantity)
);
CREATE INDEX order_lines_open ON order_lines (store_id, live, item_id) WHERE shipped + cancelled < quantity;       -- what an item is promised to
ALTER TABLE order_lines ADD PRIMARY KEY (store_id, live, order_id, item_id);

-- The first answer to each idempotency key (R12). A long request answers in slices, each committed with its part of the work (R11).
CREATE TABLE answers (
  store_id integer NOT NULL, live boolean NOT NULL, key text COLLATE "C" NOT NULL, slice smallint NOT NULL DEFAULT 0,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  status smallint NOT NULL,
  sealed boolean NOT NULL DEFAULT false,        -- the body holds a secret and is encrypted
  body bytea NOT NULL, created_at timestamptz NOT NULL,
  PRIMARY KEY (store_id, live, key, slice)
);
CREATE INDEX answers_age ON answers USING brin (created_at);

-- Units asked for and refused, by item and hour: what a stockout cost, which nothing can tell afterwards (R7).
CREATE TABLE refused_units (
  store_id integer NOT NULL, live boolean NOT NULL, item_id uuid NOT NULL, hour timestamptz NOT NULL,
  units bigint NOT NULL CHECK (units > 0), refusals bigint NOT NULL CHECK (refusals > 0),
  PRIMARY KEY (store_id, live, item_id, hour)
);

-- Who did what to anything that is not stock (stock has its movements).
CREATE TABLE audit_log (
  store_id integer NOT NULL, live boolean NOT NULL, id uuid NOT NULL,
  actor text NOT NULL, action text NOT NULL, subject text NOT NULL, details jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  PRIMARY KEY (store_id, live, id)
);

-- Subscribers. Written by ledger commands, so that a new one begins at an exact position (R28).
CREATE TABLE endpoints (
  store_id integer NOT NULL, live boolean NOT NULL, id uuid NOT NULL,
  address text NOT NULL CHECK (char_length(address) BETWEEN 1 AND 2048),
  types text[] NOT NULL CHECK (cardinality(types) > 0),
  enabled boolean NOT NULL,
  start_position bigint NOT NULL,               -- it receives events after this position
  status_reason text,
  description text NOT NULL DEFAULT '',
  settings jsonb NOT NULL DEFAULT '{}',         -- filters, ordering, timeoutSeconds, maxConcurrency, rateLimitPerSecond, transportType
  credentials bytea,                            -- encrypted JSON: authentication, oauth, headers
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  PRIMARY KEY (store_id, live, id)
);
CREATE TABLE endpoint_secrets (
  store_id integer NOT NULL, live boolean NOT NULL, endpoint_id uuid NOT NULL, id uuid NOT NULL,
  secret bytea NOT NULL,                        -- encrypted
  created_at timestamptz NOT NULL, expires_at timestamptz,
  PRIMARY KEY (store_id, live, endpoint_id, id),
  FOREIGN KEY (store_id, live, endpoint_id) REFERENCES endpoints ON DELETE CASCADE
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER movements_append_only BEFORE UPDATE OR DELETE ON movements FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER movements_no_truncate BEFORE TRUNCATE ON movements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_immutable      BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_kept           BEFORE DELETE ON events FOR EACH ROW WHEN (OLD.created_at > now() - interval '30 days') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_no_truncate    BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
