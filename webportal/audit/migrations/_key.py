"""The key of the chain changes with an entry alone."""

CREATE = """
-- The key that the chain goes on with changes with an entry that says so, or is named at first.
CREATE FUNCTION audit_keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.key_id <> '' AND NOT EXISTS (
        SELECT FROM audit_auditentry WHERE sequence = NEW.sequence
            AND action = 'audit.key_changed' AND detail ->> 'key' = NEW.key_id
    ) THEN
        RAISE EXCEPTION 'The audit trail is append-only: its key changes with an entry alone.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_head_keeps_key BEFORE UPDATE ON audit_chainhead
    FOR EACH ROW WHEN (NEW.key_id IS DISTINCT FROM OLD.key_id) EXECUTE FUNCTION audit_keep_key();
"""

DROP = """
DROP TRIGGER audit_head_keeps_key ON audit_chainhead;
DROP FUNCTION audit_keep_key;
"""
