-- Providers that administrators added or changed while the hub ran. A row without a kind is about a provider of the settings and says
-- only what was changed of it.
CREATE TABLE providers (
  name text PRIMARY KEY,
  kind text,
  service text NOT NULL,
  base_url text NOT NULL,
  priority integer,
  enabled boolean NOT NULL,
  max_concurrent bigint,
  requests_per_minute bigint,
  tokens_per_minute bigint,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

-- The last characters of the secret, to recognise it by.
ALTER TABLE provider_credentials ADD COLUMN hint text NOT NULL DEFAULT '';

-- Counts every change, so that all processes notice one by a single number. Changes queue on this row.
CREATE TABLE provider_changes (
  id integer PRIMARY KEY CHECK (id = 1),
  version bigint NOT NULL
);
INSERT INTO provider_changes (id, version) VALUES (1, 0);
