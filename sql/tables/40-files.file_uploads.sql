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
