-- The audit trail keeps what it was told, and failed jobs are found without reading all the others.

-- One row at most: audit rows older than this were let go of by retention. Without it nothing may be deleted.
CREATE TABLE audit_retention (
  id integer PRIMARY KEY CHECK (id = 1),
  kept_from timestamptz NOT NULL
);

CREATE FUNCTION forbid_early_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM audit_retention WHERE OLD.created_at < kept_from) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION forbid_early_delete();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

CREATE INDEX audit_log_actor ON audit_log (actor_id, created_at);

CREATE INDEX jobs_failed ON jobs (id) WHERE status = 'failed';
