-- What a server checks when it starts.

-- A known text, sealed: a server with another key finds out before it is too late (R25).
CREATE TABLE key_checks (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  sealed bytea NOT NULL
);
