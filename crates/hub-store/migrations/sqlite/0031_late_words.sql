-- A dispute may change its mind: which word about it is the latest (seconds of Unix time, times four, and how far the word is within its
-- second), and how often the ledger moved for it. What is known already counts as of when it came to be known.
ALTER TABLE payment_reversals ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment_reversals ADD COLUMN moves INTEGER NOT NULL DEFAULT 0;
UPDATE payment_reversals SET stamp = unixepoch(substr(updated_at, 1, 19)) * 4
    + CASE state WHEN 'open' THEN 1 WHEN 'lost' THEN 2 ELSE 3 END
  WHERE kind = 'dispute';

-- Whoever asks whether an account is frozen for a payment does not look at all the others.
CREATE INDEX credit_accounts_frozen ON credit_accounts (user_id) WHERE status = 'frozen' AND frozen_for = 'payment';

-- REPLACE deletes the row in its way, and whether a trigger hears of that is a setting of the connection. Any program may open this file, so
-- rows that stay for ever are asked for before another takes their place: one look into each unique index. The words are what a duplicate
-- is known by.
CREATE TRIGGER credit_transactions_no_replace BEFORE INSERT ON credit_transactions
WHEN EXISTS (SELECT 1 FROM credit_transactions WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM credit_transactions WHERE user_id = NEW.user_id AND account_version = NEW.account_version)
  OR EXISTS (SELECT 1 FROM credit_transactions WHERE user_id = NEW.user_id AND idem_key = NEW.idem_key)
BEGIN
  SELECT RAISE(ABORT, 'an append-only row exists already');
END;
CREATE TRIGGER invoices_no_replace BEFORE INSERT ON invoices
WHEN EXISTS (SELECT 1 FROM invoices WHERE series = NEW.series AND number = NEW.number)
  OR EXISTS (SELECT 1 FROM invoices WHERE order_id = NEW.order_id)
BEGIN
  SELECT RAISE(ABORT, 'an append-only row exists already');
END;
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE created_at = NEW.created_at AND id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'an append-only row exists already');
END;
