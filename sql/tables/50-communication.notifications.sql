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
