-- Money: accounts, the append-only ledger, holds, receipts, grants, promo codes, orders. Amounts are micro-credits.

CREATE TABLE credit_accounts (
  user_id uuid PRIMARY KEY REFERENCES users (id),
  balance bigint NOT NULL CHECK (balance BETWEEN -1000000000000000 AND 1000000000000000),
  held bigint NOT NULL CHECK (held >= 0),
  overdraft_limit bigint NOT NULL CHECK (overdraft_limit >= 0),
  version bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'frozen', 'closed')),
  low_balance_at bigint,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

-- The ledger. UNIQUE (user_id, account_version) turns a lost update into an error instead of a silent loss.
CREATE TABLE credit_transactions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES credit_accounts (user_id),
  kind text NOT NULL CHECK (kind IN ('purchase', 'promo', 'grant', 'usage', 'refund', 'adjustment', 'expiry', 'chargeback')),
  amount bigint NOT NULL CHECK (amount <> 0),
  balance_after bigint NOT NULL,
  account_version bigint NOT NULL,
  idem_key text NOT NULL CHECK (length(idem_key) BETWEEN 1 AND 300),
  idem_hash bytea,
  hold_id uuid,
  reverses uuid,
  actor_id uuid,
  reason text NOT NULL,
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (user_id, idem_key),
  UNIQUE (user_id, account_version)
);
CREATE INDEX credit_transactions_created ON credit_transactions (user_id, created_at, id);
CREATE INDEX credit_transactions_hold ON credit_transactions (hold_id);

CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER credit_transactions_no_change BEFORE UPDATE OR DELETE ON credit_transactions
  FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER credit_transactions_no_truncate BEFORE TRUNCATE ON credit_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- Money set aside for one call: held -> settled | voided | expired. The lease is renewed while the call runs.
CREATE TABLE credit_holds (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES credit_accounts (user_id),
  api_key_id uuid,
  request_id text NOT NULL,
  kind text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  accrued bigint NOT NULL CHECK (accrued >= 0),
  settled_amount bigint,
  price_id uuid NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  status text NOT NULL CHECK (status IN ('held', 'settled', 'voided', 'expired')),
  owner text NOT NULL,
  checkpoint jsonb NOT NULL,
  lease_until timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  resolved_at timestamptz
);
CREATE INDEX credit_holds_due ON credit_holds (lease_until) WHERE status = 'held';
CREATE INDEX credit_holds_user ON credit_holds (user_id, created_at);

-- What a charge consisted of, enough to compute it again. The id is the hold's.
CREATE TABLE receipts (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  transaction_id uuid,
  api_key_id uuid,
  request_id text NOT NULL,
  route text NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  upstream_model text NOT NULL,
  upstream_id text,
  price_id uuid NOT NULL,
  unit_prices jsonb NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  usage_source text NOT NULL,
  exact_pico bigint NOT NULL,
  amount bigint NOT NULL,
  uncollected bigint NOT NULL,
  held bigint NOT NULL,
  outcome text NOT NULL,
  attempts jsonb NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX receipts_user ON receipts (user_id, created_at, id);

CREATE TABLE api_key_budgets (
  api_key_id uuid NOT NULL REFERENCES api_keys (id),
  period_start timestamptz NOT NULL,
  user_id uuid NOT NULL,
  limit_amount bigint NOT NULL,
  spent bigint NOT NULL,
  held bigint NOT NULL,
  PRIMARY KEY (api_key_id, period_start)
);

-- Lots of credits with an origin and an expiry, for burning in order; the balance itself is in credit_accounts.
CREATE TABLE credit_grants (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES credit_accounts (user_id),
  source_transaction uuid NOT NULL UNIQUE,
  category text NOT NULL CHECK (category IN ('promo', 'purchase', 'bonus')),
  priority integer NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  consumed bigint NOT NULL CHECK (consumed BETWEEN 0 AND amount),
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  closed_at timestamptz
);
CREATE INDEX credit_grants_burn ON credit_grants (user_id, priority, expires_at, id);
CREATE INDEX credit_grants_due ON credit_grants (expires_at);

CREATE TABLE promo_codes (
  id uuid PRIMARY KEY,
  code text NOT NULL UNIQUE CHECK (code = upper(code)),
  credits bigint NOT NULL CHECK (credits > 0),
  max_uses integer,
  max_uses_per_user integer NOT NULL,
  used_count integer NOT NULL CHECK (used_count >= 0 AND (max_uses IS NULL OR used_count <= max_uses)),
  active boolean NOT NULL,
  starts_at timestamptz,
  expires_at timestamptz,
  credits_expire_days integer,
  rules jsonb NOT NULL,
  batch text,
  created_at timestamptz NOT NULL,
  created_by uuid
);

CREATE TABLE promo_redemptions (
  promo_id uuid NOT NULL REFERENCES promo_codes (id),
  user_id uuid NOT NULL REFERENCES users (id),
  use_number integer NOT NULL,
  credits bigint NOT NULL,
  transaction_id uuid NOT NULL,
  redeemed_at timestamptz NOT NULL,
  PRIMARY KEY (promo_id, user_id, use_number)
);
CREATE INDEX promo_redemptions_user ON promo_redemptions (user_id, redeemed_at);

CREATE TABLE orders (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  package text NOT NULL,
  credits bigint NOT NULL CHECK (credits > 0),
  paid_minor bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL CHECK (status IN ('created', 'pending', 'paid', 'failed', 'expired', 'refunded', 'disputed')),
  payment_provider text NOT NULL,
  provider_session text UNIQUE,
  provider_payment text UNIQUE,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX orders_user ON orders (user_id, created_at);
