-- The functions of the strategy document with the least that makes them work: names that were ambiguous are qualified,
-- tables and retention are those of the measurement instead of a list in the text, the base name of a table is all
-- that stands before the month, a month is compared as a whole, and the result is returned.

CREATE SCHEMA document;

CREATE FUNCTION document.create_monthly_partition(schema_name text, table_name text, partition_date date)
RETURNS text AS $$
DECLARE
  partition_name text;
  start_date date := date_trunc('month', partition_date);
  end_date date := date_trunc('month', partition_date) + interval '1 month';
BEGIN
  partition_name := create_monthly_partition.table_name || '_' || to_char(start_date, 'YYYY_MM');
  IF EXISTS (
    SELECT 1 FROM information_schema.tables t
    WHERE t.table_schema = create_monthly_partition.schema_name AND t.table_name = partition_name
  ) THEN
    RETURN 'Partition ' || partition_name || ' already exists';
  END IF;
  EXECUTE format(
    'CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)',
    schema_name, partition_name, schema_name, create_monthly_partition.table_name, start_date, end_date
  );
  EXECUTE format('CREATE INDEX idx_%s_created_at ON %I.%I (created_at)', partition_name, schema_name, partition_name);
  RETURN 'Created partition: ' || partition_name;
END;
$$ LANGUAGE plpgsql;

CREATE FUNCTION document.create_future_partitions(tables jsonb, months_ahead integer)
RETURNS TABLE (result text) AS $$
DECLARE
  target_date date;
  one jsonb;
BEGIN
  FOR i IN 0..months_ahead LOOP
    target_date := CURRENT_DATE + (i || ' months')::interval;
    FOR one IN SELECT * FROM jsonb_array_elements(tables) LOOP
      result := document.create_monthly_partition(one ->> 'schema', one ->> 'table', target_date);
      RETURN NEXT;
    END LOOP;
  END LOOP;
END;
$$ LANGUAGE plpgsql;

CREATE FUNCTION document.cleanup_old_partitions(tables jsonb, retention_months integer)
RETURNS TABLE (result text) AS $$
DECLARE
  partition_record record;
  cutoff_date date := CURRENT_DATE - (retention_months || ' months')::interval;
BEGIN
  FOR partition_record IN
    SELECT p.schemaname, p.tablename, substring(p.tablename from '^(.*)_\d{4}_\d{2}$') AS base_table,
           substring(p.tablename from '\d{4}_\d{2}$') AS partition_suffix
    FROM pg_tables p
    WHERE p.tablename ~ '_\d{4}_\d{2}$'
    AND p.schemaname IN (SELECT t ->> 'schema' FROM jsonb_array_elements(tables) t)
  LOOP
    IF partition_record.base_table IN (SELECT t ->> 'table' FROM jsonb_array_elements(tables) t)
       AND to_date(partition_record.partition_suffix, 'YYYY_MM') < date_trunc('month', cutoff_date) THEN
      EXECUTE format('DROP TABLE %I.%I', partition_record.schemaname, partition_record.tablename);
      result := 'Dropped partition: ' || partition_record.tablename;
      RETURN NEXT;
    END IF;
  END LOOP;
END;
$$ LANGUAGE plpgsql;
