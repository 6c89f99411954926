-- What a provider said about refunds, each with its time in seconds of Unix time: how much of a charge was refunded then, or that one
-- refund failed and its money came back. A sum told after a failure does not have the failed refund in it any more, so the order counts.
CREATE TABLE payment_refund_notes (
  provider text NOT NULL,
  note text NOT NULL,
  payment text NOT NULL,
  charge text NOT NULL,
  seen_at bigint NOT NULL,
  refunded_minor bigint NOT NULL CHECK (refunded_minor >= 0),
  failed_minor bigint NOT NULL CHECK (failed_minor >= 0),
  PRIMARY KEY (provider, note)
);
CREATE INDEX payment_refund_notes_payment ON payment_refund_notes (provider, payment);

-- As for the ledger: what is append-only cannot be emptied either.
CREATE TRIGGER invoices_no_truncate BEFORE TRUNCATE ON invoices
  FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
