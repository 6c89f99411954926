-- A dispute may change its mind: which word about it is the latest (seconds of Unix time, times four, and how far the word is within its
-- second), and how often the ledger moved for it. What is known already counts as of when it came to be known.
ALTER TABLE payment_reversals ADD COLUMN stamp bigint NOT NULL DEFAULT 0;
ALTER TABLE payment_reversals ADD COLUMN moves bigint NOT NULL DEFAULT 0;
UPDATE payment_reversals SET stamp = CAST(floor(extract(epoch FROM updated_at)) AS bigint) * 4
    + CASE state WHEN 'open' THEN 1 WHEN 'lost' THEN 2 ELSE 3 END
  WHERE kind = 'dispute';

-- Whoever asks whether an account is frozen for a payment does not look at all the others.
CREATE INDEX credit_accounts_frozen ON credit_accounts (user_id) WHERE status = 'frozen' AND frozen_for = 'payment';
