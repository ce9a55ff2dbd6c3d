-- Who looked at whose personal data, why, and on what legal basis: about 5,000 rows a day, a partition per
-- month, kept for 7 years. Partitioned from the start, by the time of the access.

CREATE TABLE compliance.data_access_log (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    -- Who: the user, or NULL and the name of the system that acted on its own.
    user_id UUID,
    accessed_by_system VARCHAR(100),
    -- Whose data.
    data_subject_id UUID NOT NULL,
    -- Which data, how, and why.
    resource_type VARCHAR(100) NOT NULL,
    resource_id UUID,
    data_categories TEXT[] NOT NULL DEFAULT '{}',
    access_type VARCHAR(20) NOT NULL,
    purpose VARCHAR(200) NOT NULL,
    legal_basis VARCHAR(30) NOT NULL,
    -- From where.
    request_id UUID,
    ip_address INET,
    user_agent TEXT,
    accessed_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    -- When the row was written: later than the access where entries are collected and sent in batches.
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- Contains the partition key, as every unique constraint of a partitioned table must.
    PRIMARY KEY (id, accessed_at),

    -- Evidence, like platform.audit_logs: the user who looked stays on record.
    CONSTRAINT data_access_log_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT data_access_log_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT data_access_log_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT data_access_log_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE RESTRICT,
    -- data_subject_id has no foreign key on purpose: a person need not be a user, and what was done with
    -- somebody's data must stay answerable after that person has been erased everywhere else.

    CONSTRAINT data_access_log_somebody CHECK (num_nonnulls(user_id, accessed_by_system) >= 1),
    -- A CHECK lets NULL pass, so accessed_by_system needs no more words.
    CONSTRAINT data_access_log_named
        CHECK (accessed_by_system <> '' AND resource_type <> '' AND purpose <> ''),
    CONSTRAINT data_access_log_access_type
        CHECK (access_type IN ('view', 'search', 'export', 'update', 'erase', 'share')),
    -- The six of Article 6(1) GDPR.
    CONSTRAINT data_access_log_legal_basis
        CHECK (
            legal_basis IN (
                'consent', 'contract', 'legal_obligation',
                'vital_interests', 'public_task', 'legitimate_interests'
            )
        ),
    CONSTRAINT data_access_log_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (accessed_at);

CREATE INDEX idx_data_access_log_accessed_at ON compliance.data_access_log (accessed_at);
-- The question of Article 15: everything about one person.
CREATE INDEX idx_data_access_log_subject ON compliance.data_access_log (data_subject_id, accessed_at);
CREATE INDEX idx_data_access_log_user_id ON compliance.data_access_log (user_id, accessed_at);
CREATE INDEX idx_data_access_log_resource
    ON compliance.data_access_log (resource_type, resource_id, accessed_at);

-- For the foreign keys, as in platform.audit_logs.
CREATE INDEX idx_data_access_log_created_by ON compliance.data_access_log (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_data_access_log_updated_by ON compliance.data_access_log (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_data_access_log_deleted_by ON compliance.data_access_log (deleted_by)
    WHERE deleted_by IS NOT NULL;
