-- That a ledger row has an account is asked once for a statement, and not once for each of its rows: a quarter of what a batch of charges
-- cost PostgreSQL. The other half of a foreign key, that an account which rows may point to stays, is a trigger of the accounts: none
-- is ever deleted or given to somebody else, so nothing can come in between.
CREATE OR REPLACE FUNCTION enqueue_low_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (SELECT DISTINCT user_id FROM posted) AS entry
    WHERE NOT EXISTS (SELECT FROM credit_accounts AS account WHERE account.user_id = entry.user_id)
  ) THEN
    RAISE EXCEPTION 'a ledger row has no account' USING ERRCODE = 'foreign_key_violation';
  END IF;
  INSERT INTO jobs (id, kind, payload, status, run_at, attempts, max_attempts, created_at)
  SELECT entry.id, 'credits.low_balance', '{}', 'queued', entry.created_at, 0, 30, entry.created_at
  FROM posted AS entry JOIN credit_accounts AS account ON account.user_id = entry.user_id
  WHERE entry.amount < 0 AND entry.balance_after < account.low_balance_at
    AND entry.balance_after - entry.amount >= account.low_balance_at;
  RETURN NULL;
END $$;
ALTER FUNCTION enqueue_low_balance() RENAME TO ledger_rows_posted;
ALTER TRIGGER credit_transactions_low_balance ON credit_transactions RENAME TO credit_transactions_posted;
ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_user_id_fkey;

CREATE FUNCTION forbid_loss_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an account stays as long as its ledger' USING ERRCODE = 'foreign_key_violation';
END $$;
CREATE TRIGGER credit_accounts_stay BEFORE DELETE OR UPDATE OF user_id ON credit_accounts
  FOR EACH ROW EXECUTE FUNCTION forbid_loss_of_account();
