-- compliance.data_access_log as it was before anybody thought of partitions: one table, told apart by id alone.

CREATE TABLE compliance.data_access_log (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL,
    data_subject_id UUID NOT NULL,
    resource_type VARCHAR(100) NOT NULL,
    data_categories TEXT[] NOT NULL DEFAULT '{}',
    access_type VARCHAR(20) NOT NULL,
    purpose VARCHAR(200) NOT NULL,
    legal_basis VARCHAR(30) NOT NULL,
    ip_address INET,
    accessed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    PRIMARY KEY (id),
    CONSTRAINT data_access_log_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE RESTRICT,
    CONSTRAINT data_access_log_named CHECK (resource_type <> '' AND purpose <> '')
);

CREATE INDEX idx_data_access_log_accessed_at ON compliance.data_access_log (accessed_at);
CREATE INDEX idx_data_access_log_subject ON compliance.data_access_log (data_subject_id, accessed_at);
CREATE INDEX idx_data_access_log_user_id ON compliance.data_access_log (user_id, accessed_at);

CREATE VIEW compliance.recent_access AS
SELECT id, user_id, data_subject_id, resource_type, purpose, accessed_at
FROM compliance.data_access_log
WHERE accessed_at >= now() - INTERVAL '30 days';
