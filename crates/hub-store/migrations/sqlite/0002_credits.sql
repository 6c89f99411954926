-- Money: accounts, the append-only ledger, holds, receipts, grants, promo codes, orders. Amounts are micro-credits.

CREATE TABLE credit_accounts (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
  balance INTEGER NOT NULL CHECK (balance BETWEEN -1000000000000000 AND 1000000000000000),
  held INTEGER NOT NULL CHECK (held >= 0),
  overdraft_limit INTEGER NOT NULL CHECK (overdraft_limit >= 0),
  version INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'frozen', 'closed')),
  low_balance_at INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

-- The ledger. UNIQUE (user_id, account_version) turns a lost update into an error instead of a silent loss.
CREATE TABLE credit_transactions (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES credit_accounts (user_id),
  kind TEXT NOT NULL CHECK (kind IN ('purchase', 'promo', 'grant', 'usage', 'refund', 'adjustment', 'expiry', 'chargeback')),
  amount INTEGER NOT NULL CHECK (amount <> 0),
  balance_after INTEGER NOT NULL,
  account_version INTEGER NOT NULL,
  idem_key TEXT NOT NULL CHECK (length(idem_key) BETWEEN 1 AND 300),
  idem_hash BLOB,
  hold_id BLOB,
  reverses BLOB,
  actor_id BLOB,
  reason TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (user_id, idem_key),
  UNIQUE (user_id, account_version)
) STRICT;
CREATE INDEX credit_transactions_created ON credit_transactions (user_id, created_at, id);
CREATE INDEX credit_transactions_hold ON credit_transactions (hold_id);

CREATE TRIGGER credit_transactions_no_change_update BEFORE UPDATE ON credit_transactions
BEGIN
  SELECT RAISE(ABORT, 'credit_transactions is append-only');
END;
CREATE TRIGGER credit_transactions_no_change_delete BEFORE DELETE ON credit_transactions
BEGIN
  SELECT RAISE(ABORT, 'credit_transactions is append-only');
END;

-- Money set aside for one call: held -> settled | voided | expired. The lease is renewed while the call runs.
CREATE TABLE credit_holds (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES credit_accounts (user_id),
  api_key_id BLOB,
  request_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  accrued INTEGER NOT NULL CHECK (accrued >= 0),
  settled_amount INTEGER,
  price_id BLOB NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('held', 'settled', 'voided', 'expired')),
  owner TEXT NOT NULL,
  checkpoint TEXT NOT NULL,
  lease_until TEXT NOT NULL,
  created_at TEXT NOT NULL,
  resolved_at TEXT
) STRICT;
CREATE INDEX credit_holds_due ON credit_holds (lease_until) WHERE status = 'held';
CREATE INDEX credit_holds_user ON credit_holds (user_id, created_at);

-- What a charge consisted of, enough to compute it again. The id is the hold's.
CREATE TABLE receipts (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL,
  transaction_id BLOB,
  api_key_id BLOB,
  request_id TEXT NOT NULL,
  route TEXT NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  upstream_model TEXT NOT NULL,
  upstream_id TEXT,
  price_id BLOB NOT NULL,
  unit_prices TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  usage_source TEXT NOT NULL,
  exact_pico INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  uncollected INTEGER NOT NULL,
  held INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  attempts TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_user ON receipts (user_id, created_at, id);

CREATE TABLE api_key_budgets (
  api_key_id BLOB NOT NULL REFERENCES api_keys (id),
  period_start TEXT NOT NULL,
  user_id BLOB NOT NULL,
  limit_amount INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY (api_key_id, period_start)
) STRICT;

-- Lots of credits with an origin and an expiry, for burning in order; the balance itself is in credit_accounts.
CREATE TABLE credit_grants (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES credit_accounts (user_id),
  source_transaction BLOB NOT NULL UNIQUE,
  category TEXT NOT NULL CHECK (category IN ('promo', 'purchase', 'bonus')),
  priority INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  consumed INTEGER NOT NULL CHECK (consumed BETWEEN 0 AND amount),
  created_at TEXT NOT NULL,
  expires_at TEXT,
  closed_at TEXT
) STRICT;
CREATE INDEX credit_grants_burn ON credit_grants (user_id, priority, expires_at, id);
CREATE INDEX credit_grants_due ON credit_grants (expires_at);

CREATE TABLE promo_codes (
  id BLOB NOT NULL PRIMARY KEY,
  code TEXT NOT NULL UNIQUE CHECK (code = upper(code)),
  credits INTEGER NOT NULL CHECK (credits > 0),
  max_uses INTEGER,
  max_uses_per_user INTEGER NOT NULL,
  used_count INTEGER NOT NULL CHECK (used_count >= 0 AND (max_uses IS NULL OR used_count <= max_uses)),
  active INTEGER NOT NULL,
  starts_at TEXT,
  expires_at TEXT,
  credits_expire_days INTEGER,
  rules TEXT NOT NULL,
  batch TEXT,
  created_at TEXT NOT NULL,
  created_by BLOB
) STRICT;

CREATE TABLE promo_redemptions (
  promo_id BLOB NOT NULL REFERENCES promo_codes (id),
  user_id BLOB NOT NULL REFERENCES users (id),
  use_number INTEGER NOT NULL,
  credits INTEGER NOT NULL,
  transaction_id BLOB NOT NULL,
  redeemed_at TEXT NOT NULL,
  PRIMARY KEY (promo_id, user_id, use_number)
) STRICT;
CREATE INDEX promo_redemptions_user ON promo_redemptions (user_id, redeemed_at);

CREATE TABLE orders (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES users (id),
  package TEXT NOT NULL,
  credits INTEGER NOT NULL CHECK (credits > 0),
  paid_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created', 'pending', 'paid', 'failed', 'expired', 'refunded', 'disputed')),
  payment_provider TEXT NOT NULL,
  provider_session TEXT UNIQUE,
  provider_payment TEXT UNIQUE,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX orders_user ON orders (user_id, created_at);
