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
