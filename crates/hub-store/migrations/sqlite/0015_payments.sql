-- Top-ups: what an order needs to be paid once, what was taken back of a payment, and the numbered invoices.

ALTER TABLE orders ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN idem_key TEXT;
ALTER TABLE orders ADD COLUMN checkout_url TEXT;
ALTER TABLE orders ADD COLUMN refunded_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN paid_at TEXT;
CREATE UNIQUE INDEX orders_key ON orders (user_id, idem_key);
CREATE INDEX orders_open ON orders (created_at) WHERE status IN ('created', 'pending');

-- Why an account is frozen, where the hub froze it itself: only that may be lifted by itself.
ALTER TABLE credit_accounts ADD COLUMN frozen_for TEXT;

-- One row per payment that an event named. Events about one payment queue on it, so that success and refund see each other.
CREATE TABLE payments (
  provider TEXT NOT NULL,
  payment TEXT NOT NULL,
  touched_at TEXT NOT NULL,
  PRIMARY KEY (provider, payment)
) STRICT;

-- What was taken back of a payment: refunds (the sum, as the provider counts it) and disputes. `taken` is what the ledger took for it.
CREATE TABLE payment_reversals (
  provider TEXT NOT NULL,
  reversal_id TEXT NOT NULL,
  payment TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('refund', 'dispute')),
  state TEXT NOT NULL CHECK (state IN ('open', 'lost', 'won')),
  amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
  currency TEXT NOT NULL,
  taken INTEGER NOT NULL CHECK (taken >= 0),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (provider, reversal_id)
) STRICT;
CREATE INDEX payment_reversals_payment ON payment_reversals (provider, payment);

-- The last number given in each series of invoices. It is raised in the transaction of the credit, so no number is left out.
CREATE TABLE invoice_series (
  series TEXT NOT NULL PRIMARY KEY,
  last_number INTEGER NOT NULL
) STRICT;

-- An invoice as it was issued: seller and buyer as they were then.
CREATE TABLE invoices (
  series TEXT NOT NULL,
  number INTEGER NOT NULL,
  order_id BLOB NOT NULL UNIQUE REFERENCES orders (id),
  content TEXT NOT NULL,
  issued_at TEXT NOT NULL,
  PRIMARY KEY (series, number)
) STRICT;
CREATE TRIGGER invoices_no_update BEFORE UPDATE ON invoices
BEGIN
  SELECT RAISE(ABORT, 'invoices is append-only');
END;
CREATE TRIGGER invoices_no_delete BEFORE DELETE ON invoices
BEGIN
  SELECT RAISE(ABORT, 'invoices is append-only');
END;
