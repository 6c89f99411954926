-- Top-ups: what an order needs to be paid once, what was taken back of a payment, and the numbered invoices.

ALTER TABLE orders ADD COLUMN name text NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN idem_key text;
ALTER TABLE orders ADD COLUMN checkout_url text;
ALTER TABLE orders ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN paid_at timestamptz;
CREATE UNIQUE INDEX orders_key ON orders (user_id, idem_key);
CREATE INDEX orders_open ON orders (created_at) WHERE status IN ('created', 'pending');

-- Why an account is frozen, where the hub froze it itself: only that may be lifted by itself.
ALTER TABLE credit_accounts ADD COLUMN frozen_for text;

-- One row per payment that an event named. Events about one payment queue on it, so that success and refund see each other.
CREATE TABLE payments (
  provider text NOT NULL,
  payment text NOT NULL,
  touched_at timestamptz NOT NULL,
  PRIMARY KEY (provider, payment)
);

-- What was taken back of a payment: refunds (the sum, as the provider counts it) and disputes. `taken` is what the ledger took for it.
CREATE TABLE payment_reversals (
  provider text NOT NULL,
  reversal_id text NOT NULL,
  payment text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('refund', 'dispute')),
  state text NOT NULL CHECK (state IN ('open', 'lost', 'won')),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  currency text NOT NULL,
  taken bigint NOT NULL CHECK (taken >= 0),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (provider, reversal_id)
);
CREATE INDEX payment_reversals_payment ON payment_reversals (provider, payment);

-- The last number given in each series of invoices. It is raised in the transaction of the credit, so no number is left out.
CREATE TABLE invoice_series (
  series text PRIMARY KEY,
  last_number bigint NOT NULL
);

-- An invoice as it was issued: seller and buyer as they were then.
CREATE TABLE invoices (
  series text NOT NULL,
  number bigint NOT NULL,
  order_id uuid NOT NULL UNIQUE REFERENCES orders (id),
  content jsonb NOT NULL,
  issued_at timestamptz NOT NULL,
  PRIMARY KEY (series, number)
);
CREATE TRIGGER invoices_no_change BEFORE UPDATE OR DELETE ON invoices
  FOR EACH ROW EXECUTE FUNCTION forbid_change();
