-- Open invitations are listed, newest first; all other secrets are found by their hash or their owner.

CREATE INDEX verification_tokens_open_invites ON verification_tokens (id) WHERE purpose = 'invite' AND used_at IS NULL;
