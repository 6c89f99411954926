-- Providers that administrators added or changed while the hub ran. A row without a kind is about a provider of the settings and says
-- only what was changed of it.
CREATE TABLE providers (
  name TEXT NOT NULL PRIMARY KEY,
  kind TEXT,
  service TEXT NOT NULL,
  base_url TEXT NOT NULL,
  priority INTEGER,
  enabled INTEGER NOT NULL,
  max_concurrent INTEGER,
  requests_per_minute INTEGER,
  tokens_per_minute INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

-- The last characters of the secret, to recognise it by.
ALTER TABLE provider_credentials ADD COLUMN hint TEXT NOT NULL DEFAULT '';

-- Counts every change, so that all processes notice one by a single number. Changes queue on this row.
CREATE TABLE provider_changes (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT INTO provider_changes (id, version) VALUES (1, 0);
