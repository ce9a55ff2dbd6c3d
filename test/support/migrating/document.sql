-- The functions of a partitioning strategy that many projects have in this or a like form, as it writes them. One thing
-- is mended, without which nothing is ever created: names in the first query are qualified, since PostgreSQL could not
-- tell the column table_name from the parameter.

-- Generic partition creation function
CREATE OR REPLACE FUNCTION create_monthly_partition(
    schema_name TEXT,
    table_name TEXT,
    partition_date DATE DEFAULT CURRENT_DATE
) RETURNS TEXT AS $$
DECLARE
    partition_name TEXT;
    start_date DATE;
    end_date DATE;
    sql_command TEXT;
BEGIN
    -- Calculate partition boundaries
    start_date := date_trunc('month', partition_date);
    end_date := start_date + INTERVAL '1 month';

    -- Generate partition name
    partition_name := table_name || '_' || to_char(start_date, 'YYYY_MM');

    -- Check if partition already exists
    IF EXISTS (
        SELECT 1 FROM information_schema.tables AS t
        WHERE t.table_schema = schema_name
        AND t.table_name = partition_name
    ) THEN
        RETURN 'Partition ' || partition_name || ' already exists';
    END IF;

    -- Create partition
    sql_command := format(
        'CREATE TABLE %I.%I PARTITION OF %I.%I
         FOR VALUES FROM (%L) TO (%L)',
        schema_name, partition_name, schema_name, table_name,
        start_date, end_date
    );

    EXECUTE sql_command;

    -- Create partition-specific indexes
    EXECUTE format(
        'CREATE INDEX idx_%s_created_at ON %I.%I (created_at)',
        partition_name, schema_name, partition_name
    );

    RETURN 'Created partition: ' || partition_name;
END;
$$ LANGUAGE plpgsql;

-- Create partitions for the next 12 months
CREATE OR REPLACE FUNCTION create_future_partitions(
    months_ahead INTEGER DEFAULT 12
) RETURNS TABLE(result TEXT) AS $$
DECLARE
    target_date DATE;
    i INTEGER;
    partition_result TEXT;
BEGIN
    FOR i IN 0..months_ahead LOOP
        target_date := CURRENT_DATE + (i || ' months')::INTERVAL;

        -- Create partitions for all partitioned tables
        SELECT create_monthly_partition('platform', 'audit_logs', target_date) INTO partition_result;
        RETURN NEXT;

        SELECT create_monthly_partition('platform', 'activity_logs', target_date) INTO partition_result;
        RETURN NEXT;

        SELECT create_monthly_partition('compliance', 'data_access_log', target_date) INTO partition_result;
        RETURN NEXT;

        SELECT create_monthly_partition('auth', 'user_sessions', target_date) INTO partition_result;
        RETURN NEXT;
    END LOOP;
END;
$$ LANGUAGE plpgsql;

-- Function to drop old partitions based on retention policy
CREATE OR REPLACE FUNCTION cleanup_old_partitions() RETURNS TABLE(result TEXT) AS $$
DECLARE
    partition_record RECORD;
    retention_policies JSONB;
    retention_months INTEGER;
    cutoff_date DATE;
    sql_command TEXT;
BEGIN
    -- Define retention policies (in months)
    retention_policies := '{
        "audit_logs": 84,
        "activity_logs": 24,
        "data_access_log": 84,
        "user_sessions": 3,
        "file_uploads": 60,
        "notifications": 12
    }'::JSONB;

    -- Find partitions to drop
    FOR partition_record IN
        SELECT
            schemaname,
            tablename,
            substring(tablename from '([^_]+_[^_]+)_\d{4}_\d{2}$') as base_table,
            substring(tablename from '\d{4}_\d{2}$') as partition_suffix
        FROM pg_tables
        WHERE tablename ~ '_\d{4}_\d{2}$'
        AND schemaname IN ('platform', 'compliance', 'auth', 'files', 'communication')
    LOOP
        -- Get retention policy for this table
        retention_months := (retention_policies->>partition_record.base_table)::INTEGER;

        IF retention_months IS NOT NULL THEN
            -- Calculate cutoff date
            cutoff_date := CURRENT_DATE - (retention_months || ' months')::INTERVAL;

            -- Check if partition is older than retention policy
            IF to_date(partition_record.partition_suffix, 'YYYY_MM') < cutoff_date THEN
                sql_command := format('DROP TABLE %I.%I',
                    partition_record.schemaname,
                    partition_record.tablename
                );

                EXECUTE sql_command;
                result := 'Dropped partition: ' || partition_record.tablename;
                RETURN NEXT;
            END IF;
        END IF;
    END LOOP;
END;
$$ LANGUAGE plpgsql;
