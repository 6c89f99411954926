-- One account at a provider per person: another one with the same address is another person until they say otherwise.

CREATE UNIQUE INDEX user_identities_one ON user_identities (user_id, provider);
