-- A session with which an administrator looks at the hub as somebody else: whose it truly is.

ALTER TABLE sessions ADD COLUMN actor_id uuid REFERENCES users (id);
