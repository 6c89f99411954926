-- Lots that run out, refunds that find their charge, lists of promo codes, alerts of a low balance.

-- Debits up to this version have been taken from the account's lots; later ones are replayed when somebody needs to know.
ALTER TABLE credit_accounts ADD COLUMN burned_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credit_grants ADD COLUMN expired INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0);
CREATE INDEX credit_grants_open ON credit_grants (user_id) WHERE closed_at IS NULL;

CREATE INDEX credit_transactions_reverses ON credit_transactions (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX promo_codes_batch ON promo_codes (batch, id);

-- Where the owner of an account wants to be told. The secret that signs is sealed with a key that is not in the database.
CREATE TABLE credit_webhooks (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
  url TEXT NOT NULL,
  secret_sealed BLOB NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

-- Whoever posts, one at a time or many at once: the alert is enqueued with the row that crosses the threshold. Its id is the row's.
CREATE TRIGGER credit_transactions_low_balance AFTER INSERT ON credit_transactions
WHEN NEW.amount < 0
BEGIN
  INSERT INTO jobs (id, kind, payload, status, run_at, attempts, max_attempts, created_at)
  SELECT NEW.id, 'credits.low_balance', '{}', 'queued', NEW.created_at, 0, 30, NEW.created_at
  FROM credit_accounts
  WHERE user_id = NEW.user_id AND NEW.balance_after < low_balance_at AND NEW.balance_after - NEW.amount >= low_balance_at;
END;
