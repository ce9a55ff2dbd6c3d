-- Signed-in sessions: about 1,000 rows a day, a partition per month, kept for 90 days.

CREATE TABLE auth.user_sessions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL,
    -- SHA-256 of the token: who reads this table cannot take a session over.
    token_hash BYTEA NOT NULL,
    ip_address INET,
    user_agent TEXT,
    last_seen_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- Contains the partition key, as every unique constraint of a partitioned table must. That is why
    -- token_hash has no unique constraint: it could not hold across partitions.
    PRIMARY KEY (id, created_at),

    -- A session without its user is worthless and a risk: it goes with the user.
    CONSTRAINT user_sessions_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
    -- Who else touched it (an administrator, say) does not decide whether it lives.
    CONSTRAINT user_sessions_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT user_sessions_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT user_sessions_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE SET NULL,

    CONSTRAINT user_sessions_token_hash_length CHECK (octet_length(token_hash) = 32),
    -- Retention counts from created_at. A session that lived longer than that would be dropped while in use,
    -- so none may: change this together with the retention. In hours, whose length no time zone changes.
    CONSTRAINT user_sessions_lifetime
        CHECK (expires_at > created_at AND expires_at <= created_at + INTERVAL '2160 hours'),
    CONSTRAINT user_sessions_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (created_at);

-- Asked on every request. It searches one small index per partition; with created_at in the question (kept in
-- the cookie beside the token), only one of them.
CREATE INDEX idx_user_sessions_token_hash ON auth.user_sessions (token_hash);
CREATE INDEX idx_user_sessions_user_id ON auth.user_sessions (user_id, created_at);
-- Sessions that still count. (Whether one has expired depends on the time, so it cannot be part of an index.)
CREATE INDEX idx_user_sessions_expires_at ON auth.user_sessions (expires_at) WHERE revoked_at IS NULL;

-- For the foreign keys, as in platform.audit_logs.
CREATE INDEX idx_user_sessions_created_by ON auth.user_sessions (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_user_sessions_updated_by ON auth.user_sessions (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_user_sessions_deleted_by ON auth.user_sessions (deleted_by)
    WHERE deleted_by IS NOT NULL;
