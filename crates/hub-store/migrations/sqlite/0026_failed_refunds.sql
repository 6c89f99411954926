-- What a provider said about refunds, each with its time in seconds of Unix time: how much of a charge was refunded then, or that one
-- refund failed and its money came back. A sum told after a failure does not have the failed refund in it any more, so the order counts.
CREATE TABLE payment_refund_notes (
  provider TEXT NOT NULL,
  note TEXT NOT NULL,
  payment TEXT NOT NULL,
  charge TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  refunded_minor INTEGER NOT NULL CHECK (refunded_minor >= 0),
  failed_minor INTEGER NOT NULL CHECK (failed_minor >= 0),
  PRIMARY KEY (provider, note)
) STRICT;
CREATE INDEX payment_refund_notes_payment ON payment_refund_notes (provider, payment);
