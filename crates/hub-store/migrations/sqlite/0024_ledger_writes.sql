-- Only charges of calls have a hold; nobody looks for those that have none.
DROP INDEX credit_transactions_hold;
CREATE INDEX credit_transactions_hold ON credit_transactions (hold_id) WHERE hold_id IS NOT NULL;
