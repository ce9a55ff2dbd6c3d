-- Run once, by the image of PostgreSQL, when the database is new.
\getenv password KEEPER_PASSWORD

-- Owns the table and its partitions; nobody logs in as this role.
CREATE ROLE events_owner NOLOGIN;
GRANT USAGE, CREATE ON SCHEMA public TO events_owner;

CREATE TABLE public.events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    payload JSONB NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
ALTER TABLE public.events OWNER TO events_owner;

-- What the keeper logs in as.
CREATE ROLE partition_keeper LOGIN PASSWORD :'password';
GRANT events_owner TO partition_keeper;
