-- A batch of charges asks once, and not once for every row, whose balance fell below what its owner set. The row whose id the alert
-- takes is still the one that crossed it.
CREATE OR REPLACE FUNCTION enqueue_low_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO jobs (id, kind, payload, status, run_at, attempts, max_attempts, created_at)
  SELECT entry.id, 'credits.low_balance', '{}', 'queued', entry.created_at, 0, 30, entry.created_at
  FROM posted AS entry JOIN credit_accounts AS account ON account.user_id = entry.user_id
  WHERE entry.amount < 0 AND entry.balance_after < account.low_balance_at
    AND entry.balance_after - entry.amount >= account.low_balance_at;
  RETURN NULL;
END $$;
DROP TRIGGER credit_transactions_low_balance ON credit_transactions;
CREATE TRIGGER credit_transactions_low_balance AFTER INSERT ON credit_transactions
  REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION enqueue_low_balance();

-- Only charges of calls have a hold; nobody looks for those that have none.
DROP INDEX credit_transactions_hold;
CREATE INDEX credit_transactions_hold ON credit_transactions (hold_id) WHERE hold_id IS NOT NULL;
