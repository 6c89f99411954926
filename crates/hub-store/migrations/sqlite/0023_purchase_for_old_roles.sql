-- Roles of hubs that are older than the permission to buy credits: `user` and `manager` get it once, where nobody has changed what they
-- permit. A new hub gets it with its roles. Ids begin with their time: a permission that is older than the role was the operator's to take
-- away, so a role without it stays as it is.

INSERT INTO permissions (id, name, resource, action, description)
SELECT x'019ad9f0000070008000000000000023', 'credits:purchase', 'credits', 'purchase', 'Buy credits for the own account'
WHERE EXISTS (SELECT 1 FROM roles)
ON CONFLICT DO NOTHING;

INSERT INTO role_permissions (role_id, permission_id, granted_at)
SELECT r.id, p.id, r.created_at
FROM roles r JOIN permissions p ON p.name = 'credits:purchase'
WHERE r.is_system = 1 AND (p.id = x'019ad9f0000070008000000000000023' OR substr(p.id, 1, 6) > substr(r.id, 1, 6))
  AND (SELECT string_agg(held.name, ',' ORDER BY held.name)
       FROM role_permissions g JOIN permissions held ON held.id = g.permission_id WHERE g.role_id = r.id)
    = CASE r.name
        WHEN 'user' THEN 'credits:read,inference:create,keys:create,keys:delete,keys:read,keys:update,models:read,usage:read'
        WHEN 'manager' THEN 'credits:read,credits:read_any,inference:create,keys:create,keys:delete,keys:read,keys:update,models:read,roles:read,usage:read,usage:read_any,users:read'
      END;
