-- On PostgreSQL the ledger's foreign key became a question asked once for a statement. Here it costs nothing worth saving and stays;
-- what is new is that an account without rows cannot be deleted either.
CREATE TRIGGER credit_accounts_stay BEFORE DELETE ON credit_accounts BEGIN
  SELECT RAISE(ABORT, 'an account stays as long as its ledger');
END;
CREATE TRIGGER credit_accounts_keep_owner BEFORE UPDATE OF user_id ON credit_accounts BEGIN
  SELECT RAISE(ABORT, 'an account stays as long as its ledger');
END;
