-- What users do, for statistics and feeds: about 50,000 rows a day, a partition per month, kept for 2 years.

CREATE TABLE platform.activity_logs (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID,
    activity_type VARCHAR(100) NOT NULL,
    activity_description TEXT,
    -- NOT NULL, so that "nothing" has one spelling: the empty object.
    metadata JSONB NOT NULL DEFAULT '{}',
    ip_address INET,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- Contains the partition key, as every unique constraint of a partitioned table must.
    PRIMARY KEY (id, created_at),

    -- An activity still counts when its user is gone, but no longer needs to say whose it was: SET NULL.
    CONSTRAINT activity_logs_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT activity_logs_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT activity_logs_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT activity_logs_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE SET NULL,

    CONSTRAINT activity_logs_named CHECK (activity_type <> ''),
    CONSTRAINT activity_logs_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT activity_logs_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (created_at);

-- The one index on created_at alone, for the newest rows of all users. Partitions inherit it: another one on
-- a partition would only cost writes.
CREATE INDEX idx_activity_logs_created_at ON platform.activity_logs (created_at);
CREATE INDEX idx_activity_logs_user_id ON platform.activity_logs (user_id, created_at);
CREATE INDEX idx_activity_logs_type ON platform.activity_logs (activity_type, created_at);

-- For the foreign keys, as in platform.audit_logs.
CREATE INDEX idx_activity_logs_created_by ON platform.activity_logs (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_activity_logs_updated_by ON platform.activity_logs (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_activity_logs_deleted_by ON platform.activity_logs (deleted_by)
    WHERE deleted_by IS NOT NULL;
