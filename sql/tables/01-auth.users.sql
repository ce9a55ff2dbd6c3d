-- A stand-in for the table of users that the partitioned tables refer to. One that exists already is kept.
--
-- The e-mail address may be NULL: the audit trail keeps a user's row from being deleted (see the foreign keys
-- of platform.audit_logs), so an account is closed by emptying what names the person and setting deleted_at.

CREATE TABLE IF NOT EXISTS auth.users (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    email TEXT,
    display_name TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    PRIMARY KEY (id),
    CONSTRAINT users_email_given CHECK (email <> '')
);

-- Addresses are unique whatever their case.
CREATE UNIQUE INDEX IF NOT EXISTS idx_users_email ON auth.users (lower(email));
