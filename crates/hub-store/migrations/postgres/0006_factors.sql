-- The way back after a change of address outlives a change of password, so it is a purpose of its own.

ALTER TABLE verification_tokens DROP CONSTRAINT verification_tokens_purpose_check;
ALTER TABLE verification_tokens ADD CONSTRAINT verification_tokens_purpose_check
  CHECK (purpose IN ('register', 'reset_password', 'change_email', 'invite', 'revert_email'));
CREATE INDEX verification_tokens_user ON verification_tokens (user_id, purpose);
