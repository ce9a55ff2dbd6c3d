-- Lets Partition Keeper log in with no more rights than its work needs.
--
-- Creating, attaching, detaching and dropping partitions takes the ownership of the partitioned table and
-- CREATE on its schema; PostgreSQL has no smaller right. So the tables get an owner that nobody logs in as,
-- and the tool becomes a member of it:
--
--   partition_owner    owns the six tables and their partitions, may create tables in their schemas
--   partition_keeper   logs in, and is a member of partition_owner
--
-- It is given nothing on auth.users, although foreign keys lead there: they belong to the partitioned tables,
-- and new partitions take them over. Reading the catalog and pg_locks takes no right at all.
--
-- Run it when the tables exist, as a superuser, or as a role with CREATEROLE that owns tables, schemas and
-- database. Running it again changes nothing. For other names or tables edit the text. Then set the password
-- where no log sees it: \password partition_keeper in psql.
--
-- Shorter, where the application's tables already have an owner that nobody logs in as: only create
-- partition_keeper, GRANT CONNECT and GRANT <that owner> TO partition_keeper.

BEGIN;

-- Changing an owner takes an ACCESS EXCLUSIVE lock on each table until COMMIT. Rather give up than have the
-- application wait for us while we wait for somebody else: then run it again at a quieter time.
SET LOCAL lock_timeout = '2s';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'partition_owner') THEN
        CREATE ROLE partition_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'partition_keeper') THEN
        CREATE ROLE partition_keeper LOGIN;
    END IF;
    -- Giving a table to a role takes membership in it, unless one is a superuser. It also leaves whoever runs
    -- migrations able to alter the tables afterwards.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT partition_owner TO CURRENT_USER;
    END IF;
END
$$;

-- The tool uses SET ROLE, so that new partitions belong to partition_owner like their parents.
GRANT partition_owner TO partition_keeper;

-- USAGE also serves the foreign keys: when a user is deleted, PostgreSQL looks into these tables as their
-- owner.
GRANT USAGE, CREATE ON SCHEMA platform, compliance, auth, files, communication TO partition_owner;

-- Databases can be named only literally, hence the detour.
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO partition_keeper', current_database());
    -- Needed only to empty a default partition and to convert a table by copying it: rows are put
    -- aside in temporary tables. Where neither is wanted, this can go.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO partition_owner', current_database());
END
$$;

-- The tables change hands, each with all its partitions. Whoever owned one until now could read and write it,
-- and is granted that again, unless a superuser; grants to others stay as they are.
DO $$
DECLARE
    managed CONSTANT REGCLASS[] := ARRAY[
        'platform.audit_logs',
        'platform.activity_logs',
        'compliance.data_access_log',
        'auth.user_sessions',
        'files.file_uploads',
        'communication.notifications'
    ];
    item RECORD;
BEGIN
    FOR item IN
        SELECT tree.relid::REGCLASS AS name, role.rolname AS former_owner, role.rolsuper AS by_superuser
        FROM unnest(managed) AS parent,
            pg_partition_tree(parent) AS tree
            JOIN pg_class AS class ON class.oid = tree.relid
            JOIN pg_roles AS role ON role.oid = class.relowner
        WHERE role.rolname <> 'partition_owner'
        ORDER BY parent, tree.level, tree.relid
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO partition_owner', item.name);
        IF NOT item.by_superuser THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', item.name, item.former_owner);
        END IF;
    END LOOP;
END
$$;

COMMIT;

-- Optional. Sessions in the way are found without it, but what another role's session is running, and since
-- when, is shown only to a role that has this:
--
-- GRANT pg_read_all_stats TO partition_keeper;
