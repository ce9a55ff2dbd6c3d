-- One schema per part of the application. Run the files of this folder in the order of their names.

CREATE SCHEMA IF NOT EXISTS platform;
CREATE SCHEMA IF NOT EXISTS compliance;
CREATE SCHEMA IF NOT EXISTS auth;
CREATE SCHEMA IF NOT EXISTS files;
CREATE SCHEMA IF NOT EXISTS communication;

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

-- Who did what to which resource: about 10,000 rows a day, a partition per month, kept for 7 years.
--
-- The table is created without partitions: `partition-keeper create` makes them. There is no default
-- partition either: with one, a month that nobody prepared goes unnoticed, its rows have to be moved later,
-- and attaching any partition has to look through it.

CREATE TABLE platform.audit_logs (
    -- Random ids spread inserts over the whole primary key index, though only that of the current partition.
    -- From PostgreSQL 18 on, DEFAULT uuidv7() keeps them together.
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID,
    action VARCHAR(100) NOT NULL,
    resource_type VARCHAR(100) NOT NULL,
    resource_id UUID,
    previous_state JSONB,
    new_state JSONB,
    ip_address INET,
    user_agent TEXT,
    session_id UUID,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- A unique constraint of a partitioned table must contain the partition key, because each partition
    -- checks only its own rows. So this proves an id unique for one created_at, not in the whole table: there
    -- it is unique because it is random. Look a row up by both columns; by id alone, every partition is
    -- searched.
    PRIMARY KEY (id, created_at),

    -- The trail must outlive the account and must still tell who it was, so nobody can blank it by deleting a
    -- user: RESTRICT, not SET NULL and certainly not CASCADE. An account is closed by emptying its row in
    -- auth.users; the row itself can go when the last partition that names it has been dropped.
    CONSTRAINT audit_logs_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT audit_logs_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT audit_logs_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT audit_logs_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE RESTRICT,

    CONSTRAINT audit_logs_named CHECK (action <> '' AND resource_type <> ''),
    CONSTRAINT audit_logs_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (created_at);

-- An index made here is made on every partition, present and future. A partition needs none of its own.
CREATE INDEX idx_audit_logs_created_at ON platform.audit_logs (created_at);
CREATE INDEX idx_audit_logs_user_id ON platform.audit_logs (user_id, created_at);
CREATE INDEX idx_audit_logs_resource ON platform.audit_logs (resource_type, resource_id, created_at);
CREATE INDEX idx_audit_logs_action ON platform.audit_logs (action, created_at);
CREATE INDEX idx_audit_logs_session ON platform.audit_logs (session_id, created_at)
    WHERE session_id IS NOT NULL;

-- Deleting a user, or changing its id, looks for the user in every foreign key column. Without an index that
-- is a scan of every partition for each column. These are partial, because the columns are mostly NULL and a
-- foreign key never looks for NULL.
CREATE INDEX idx_audit_logs_created_by ON platform.audit_logs (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_audit_logs_updated_by ON platform.audit_logs (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_audit_logs_deleted_by ON platform.audit_logs (deleted_by)
    WHERE deleted_by IS NOT NULL;

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

-- Uploaded files: about 500 rows a day, a partition per quarter, kept for 5 years.
--
-- Dropping a partition forgets the rows, not the files they describe: give the file storage an expiry of its
-- own that is no later than the retention here, or files remain that nothing knows of.

CREATE TABLE files.file_uploads (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID,
    storage_key TEXT NOT NULL,
    original_name TEXT NOT NULL,
    mime_type VARCHAR(255) NOT NULL,
    size_bytes BIGINT NOT NULL,
    checksum_sha256 BYTEA,
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    metadata JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- Contains the partition key, as every unique constraint of a partitioned table must. A table with a
    -- foreign key to a file has to hold both columns, and keeps partitions from being dropped.
    PRIMARY KEY (id, created_at),

    -- A file belongs to the organisation and stays when the person who sent it leaves.
    CONSTRAINT file_uploads_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT file_uploads_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT file_uploads_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT file_uploads_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE SET NULL,

    CONSTRAINT file_uploads_named CHECK (storage_key <> '' AND original_name <> '' AND mime_type <> ''),
    CONSTRAINT file_uploads_size CHECK (size_bytes >= 0),
    CONSTRAINT file_uploads_checksum_length CHECK (octet_length(checksum_sha256) = 32),
    CONSTRAINT file_uploads_status CHECK (status IN ('pending', 'stored', 'quarantined', 'failed')),
    -- The checksum is known once the file has arrived.
    CONSTRAINT file_uploads_stored_has_checksum CHECK (status <> 'stored' OR checksum_sha256 IS NOT NULL),
    CONSTRAINT file_uploads_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT file_uploads_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (created_at);

CREATE INDEX idx_file_uploads_created_at ON files.file_uploads (created_at);
CREATE INDEX idx_file_uploads_user_id ON files.file_uploads (user_id, created_at);
CREATE INDEX idx_file_uploads_storage_key ON files.file_uploads (storage_key);
-- The few that still need work.
CREATE INDEX idx_file_uploads_unfinished ON files.file_uploads (status, created_at) WHERE status <> 'stored';

-- For the foreign keys, as in platform.audit_logs.
CREATE INDEX idx_file_uploads_created_by ON files.file_uploads (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_file_uploads_updated_by ON files.file_uploads (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_file_uploads_deleted_by ON files.file_uploads (deleted_by)
    WHERE deleted_by IS NOT NULL;

-- Messages to users: about 20,000 rows a day, a partition per month, kept for 1 year.

CREATE TABLE communication.notifications (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL,
    notification_type VARCHAR(100) NOT NULL,
    channel VARCHAR(20) NOT NULL,
    title TEXT NOT NULL,
    body TEXT,
    data JSONB NOT NULL DEFAULT '{}',
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    sent_at TIMESTAMPTZ,
    read_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    created_by UUID,
    updated_by UUID,
    deleted_by UUID,
    updated_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,

    -- Contains the partition key, as every unique constraint of a partitioned table must.
    PRIMARY KEY (id, created_at),

    -- A message is of no use without the user it is for.
    CONSTRAINT notifications_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
    -- But it stays with its reader when the user who wrote it leaves.
    CONSTRAINT notifications_created_by_fkey
        FOREIGN KEY (created_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT notifications_updated_by_fkey
        FOREIGN KEY (updated_by) REFERENCES auth.users (id) ON DELETE SET NULL,
    CONSTRAINT notifications_deleted_by_fkey
        FOREIGN KEY (deleted_by) REFERENCES auth.users (id) ON DELETE SET NULL,

    CONSTRAINT notifications_named CHECK (notification_type <> '' AND title <> ''),
    CONSTRAINT notifications_channel CHECK (channel IN ('in_app', 'email', 'sms', 'push')),
    CONSTRAINT notifications_status CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT notifications_sent_when CHECK (status <> 'sent' OR sent_at IS NOT NULL),
    CONSTRAINT notifications_data_object CHECK (jsonb_typeof(data) = 'object'),
    CONSTRAINT notifications_deleted_by_when CHECK (deleted_by IS NULL OR deleted_at IS NOT NULL)
) PARTITION BY RANGE (created_at);

CREATE INDEX idx_notifications_created_at ON communication.notifications (created_at);
CREATE INDEX idx_notifications_user_id ON communication.notifications (user_id, created_at);
-- The number beside the bell.
CREATE INDEX idx_notifications_unread ON communication.notifications (user_id)
    WHERE read_at IS NULL AND deleted_at IS NULL;
-- What the senders pick up.
CREATE INDEX idx_notifications_pending ON communication.notifications (created_at) WHERE status = 'pending';

-- For the foreign keys, as in platform.audit_logs.
CREATE INDEX idx_notifications_created_by ON communication.notifications (created_by)
    WHERE created_by IS NOT NULL;
CREATE INDEX idx_notifications_updated_by ON communication.notifications (updated_by)
    WHERE updated_by IS NOT NULL;
CREATE INDEX idx_notifications_deleted_by ON communication.notifications (deleted_by)
    WHERE deleted_by IS NOT NULL;
