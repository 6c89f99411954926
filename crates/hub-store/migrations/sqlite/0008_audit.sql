-- The audit trail keeps what it was told, and failed jobs are found without reading all the others.

-- One row at most: audit rows older than this were let go of by retention. Without it nothing may be deleted.
CREATE TABLE audit_retention (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  kept_from TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE OLD.created_at < kept_from)
BEGIN
  SELECT RAISE(ABORT, 'audit_log is append-only');
END;

CREATE INDEX audit_log_actor ON audit_log (actor_id, created_at);

CREATE INDEX jobs_failed ON jobs (id) WHERE status = 'failed';
