import type { KeyType } from '../../../lib/partition/key-type.ts';
import type { Span } from '../../../lib/partition/span.ts';
import type { TestDatabase } from '../database.ts';

/** The axis of the key is a `timestamp`: the wall clock for `timestamp` and `date` keys, else UTC. */
interface KeySql {
  /** The key of a row with the number `id` that was written at `written`. */
  readonly key: string;
  readonly axis: string;
  /** The text of a finite bound on the axis; one within a millisecond counts as the outer end. */
  readonly bound: string;
  /** The latest instant at which a row below `place` on the axis was written. */
  readonly latest: string;
  /** Where the wall-clock time `wall` lies on the axis; where clocks skip it, UTC has the moment of the change. */
  readonly mark: string;
}

const UTC = {
  axis: "written AT TIME ZONE 'UTC'",
  latest: "place AT TIME ZONE 'UTC'",
  mark: "coalesce(oracle.first_shown(wall, zone), wall AT TIME ZONE zone) AT TIME ZONE 'UTC'",
};
const WALL = { axis: 'written AT TIME ZONE zone', latest: 'place AT TIME ZONE zone', mark: 'wall' };
const UUID_MILLISECONDS = "('x' || left(replace(text, '-', ''), 12))::bit(48)::bigint";

const KEYS: Readonly<Record<KeyType, KeySql>> = {
  timestamptz: { ...UTC, key: 'written', bound: "text::timestamptz AT TIME ZONE 'UTC'" },
  timestamp: { ...WALL, key: 'written AT TIME ZONE zone', bound: 'text::timestamp' },
  date: {
    key: '(written AT TIME ZONE zone)::date',
    axis: '(written AT TIME ZONE zone)::date::timestamp',
    bound: 'text::date::timestamp',
    latest: WALL.latest,
    mark: WALL.mark,
  },
  uuid: {
    axis: "date_trunc('milliseconds', written AT TIME ZONE 'UTC')",
    latest: UTC.latest,
    mark: UTC.mark,
    key: "(lpad(to_hex(floor(extract(epoch FROM written) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(id), 12, '0'))::uuid",
    bound: `timestamp 'epoch' + (${UUID_MILLISECONDS} + (at_end AND right(text, 12) <> '000000000000')::int) * interval '1 millisecond'`,
  },
};

/**
 * The table, a journal of when each row was written, and what PostgreSQL itself, with its own calendar and time
 * zones, says of both. Nothing here is taken from the code under test.
 */
export function schemaOf(keyType: KeyType): string {
  const { key, axis, bound, latest, mark } = KEYS[keyType];
  const pure = 'LANGUAGE sql STABLE';
  return `
    DROP SCHEMA IF EXISTS app, oracle CASCADE;
    CREATE SCHEMA app;
    CREATE SCHEMA oracle;
    CREATE TABLE app.events (id int, at ${keyType}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE oracle.journal (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, written timestamptz NOT NULL);

    CREATE FUNCTION oracle.key(written timestamptz, zone text, id int) RETURNS ${keyType} ${pure} AS $$ SELECT ${key} $$;
    CREATE FUNCTION oracle.axis(written timestamptz, zone text) RETURNS timestamp ${pure} AS $$ SELECT ${axis} $$;
    CREATE FUNCTION oracle.latest(place timestamp, zone text) RETURNS timestamptz ${pure} AS $$ SELECT ${latest} $$;
    CREATE FUNCTION oracle.bound(text text, at_end boolean) RETURNS timestamp ${pure} AS $$
      SELECT CASE WHEN text IN ('MINVALUE', '-infinity') THEN timestamp '-infinity'
                  WHEN text IN ('MAXVALUE', 'infinity') THEN timestamp 'infinity' ELSE ${bound} END $$;

    -- The first instant at which clocks show the time; null where they skip it.
    CREATE FUNCTION oracle.first_shown(wall timestamp, zone text) RETURNS timestamptz ${pure} AS $$
      SELECT min(t) FROM (SELECT wall AT TIME ZONE zone - n * interval '30 minutes' AS t FROM generate_series(0, 6) AS n) AS c
      WHERE t AT TIME ZONE zone = wall $$;
    CREATE FUNCTION oracle.mark(wall timestamp, zone text) RETURNS timestamp ${pure} AS $$ SELECT ${mark} $$;

    -- What was written at "keep" or later is within retention; what was written before "release" is past it. They
    -- differ only where clocks never showed the time a retention before now: PostgreSQL then takes the moment after
    -- the change, and to be earlier than that is to keep more.
    CREATE FUNCTION oracle.cutoff(now timestamptz, zone text, calendar interval, hours interval, OUT keep timestamptz, OUT release timestamptz) ${pure} AS $$
      SELECT coalesce(shown, after) - hours, coalesce(shown, after - interval '25 hours') - hours
      FROM (SELECT CASE WHEN calendar = interval '0' THEN now ELSE oracle.first_shown((now AT TIME ZONE zone) - calendar, zone) END AS shown,
                   ((now AT TIME ZONE zone) - calendar) AT TIME ZONE zone AS after) AS c $$;

    CREATE VIEW oracle.partitions AS
      SELECT c.oid, c.relname AS name, i.inhdetachpending AS pending,
             obj_description(c.oid, 'pg_class') LIKE '{"partition-keeper":%' AS marked,
             EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid) AS referenced,
             oracle.bound(b[1], false) AS lower, oracle.bound(b[2], true) AS upper
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''?([^'')]*)''?\\) TO \\(''?([^'')]*)''?\\)') AS b
      WHERE i.inhparent = 'app.events'::regclass AND b IS NOT NULL;

    -- Every row there is, attached or not.
    CREATE FUNCTION oracle.rows() RETURNS SETOF int LANGUAGE plpgsql AS $$
      DECLARE t regclass;
      BEGIN
        FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' LOOP
          RETURN QUERY EXECUTE format('SELECT id FROM ONLY %s', t);
        END LOOP;
      END $$;

    -- Rows that no partition takes are not there to be lost.
    CREATE FUNCTION oracle.write(moment timestamptz, zone text) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE number int;
      BEGIN
        INSERT INTO oracle.journal (written) VALUES (moment) RETURNING id INTO number;
        INSERT INTO app.events VALUES (number, oracle.key(moment, zone, number));
      EXCEPTION WHEN check_violation OR numeric_value_out_of_range THEN NULL;
      END $$;`;
}

/** A moment, and what is wanted of the table then. */
export interface Wish {
  /** ISO 8601. */
  readonly now: string;
  readonly zone: string;
  readonly retention: Span | null;
}

const calendarPart = ({ years = 0, months = 0, weeks = 0, days = 0 }: Span): string =>
  `${years} years ${months} months ${weeks} weeks ${days} days`;

/** `now`, `zone`, `keep` and `release`, to be joined with anything. */
function cutoffSql({ now, zone, retention }: Wish): string {
  const cutoff =
    retention === null
      ? "(SELECT timestamptz '-infinity' AS keep, timestamptz '-infinity' AS release)"
      : `oracle.cutoff('${now}', '${zone}', '${calendarPart(retention)}', '${retention.hours ?? 0} hours')`;
  return `(SELECT timestamptz '${now}' AS now, '${zone}'::text AS zone, c.* FROM ${cutoff} AS c) AS w`;
}

/** Writes rows at and right beside every bound, the end of retention and now; and where clocks repeat them. */
export async function writeRows(
  database: TestDatabase,
  wish: Wish,
  others: readonly string[],
): Promise<void> {
  await database.query(
    `SELECT oracle.write(i.instant + beside, w.zone) FROM ${cutoffSql(wish)}, LATERAL (
       SELECT oracle.latest(place, w.zone) AS instant FROM oracle.partitions, unnest(ARRAY[lower, upper]) AS place
       UNION SELECT unnest(ARRAY[w.keep, w.release, w.now]) UNION SELECT unnest($1::timestamptz[])
     ) AS i, unnest(ARRAY[interval '-1 hour', '-30 minutes', '-1 microsecond', '0']) AS beside
     WHERE isfinite(i.instant)`,
    [others],
  );
}

/** What must become of each partition, by its name. */
export type Verdicts = ReadonlyMap<string, 'stays' | 'goes' | 'either'>;

export async function verdicts(database: TestDatabase, wish: Wish): Promise<Verdicts> {
  const rows = await database.query<{ name: string; verdict: 'stays' | 'goes' | 'either' }>(`
    SELECT name, CASE
      WHEN upper = 'infinity' OR referenced OR (pending AND marked IS NOT TRUE) OR lower = (SELECT max(lower) FROM oracle.partitions)
        OR (lower <= oracle.axis(w.now, w.zone) AND oracle.axis(w.now, w.zone) < upper)
        OR oracle.latest(upper, w.zone) > w.keep THEN 'stays'
      WHEN oracle.latest(upper, w.zone) <= w.release THEN 'goes'
      ELSE 'either' END AS verdict
    FROM oracle.partitions, ${cutoffSql(wish)}`);
  return new Map(rows.map(({ name, verdict }) => [name, verdict]));
}

/** Rows by number: those that queries of the table see, and all there are. */
export interface Rows {
  readonly seen: readonly number[];
  readonly stored: readonly number[];
}

export async function rowsOf(database: TestDatabase): Promise<Rows> {
  const [row] = await database.query<Rows>(
    'SELECT ARRAY(SELECT id FROM app.events) AS seen, ARRAY(SELECT oracle.rows()) AS stored',
  );
  return row ?? { seen: [], stored: [] };
}

/** When each of the rows was written that is within retention, of those that are no longer there. */
export async function lostRows(database: TestDatabase, wish: Wish, before: Rows): Promise<string[]> {
  const after = await rowsOf(database);
  const missing = [
    ...before.seen.filter((id) => !after.seen.includes(id)),
    ...before.stored.filter((id) => !after.stored.includes(id)),
  ];
  const rows = await database.query<{ written: string }>(
    `SELECT j.written::text AS written FROM oracle.journal AS j, ${cutoffSql(wish)} WHERE j.id = ANY ($1) AND j.written >= w.keep ORDER BY j.written`,
    [missing],
  );
  return rows.map(({ written }) => written);
}

/** How many rows there are that retention protects, but within an hour does no longer. */
export async function barelyProtected(database: TestDatabase, wish: Wish): Promise<number> {
  const [row] = await database.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM oracle.rows() AS id JOIN oracle.journal AS j USING (id), ${cutoffSql(wish)}
     WHERE j.written >= w.keep AND j.written < w.keep + interval '1 hour'`,
  );
  return row?.rows ?? 0;
}

/**
 * What no partition covers, of the time from the oldest one, or from now where it is younger, but no further back
 * than retention reaches, to the end of the look-ahead.
 */
export async function holes(
  database: TestDatabase,
  wish: Wish,
  interval: string,
  premake: number,
): Promise<string[]> {
  const step = interval === 'quarter' ? "interval '3 months'" : `interval '1 ${interval}'`;
  const rows = await database.query<{ hole: string }>(`
    WITH window_of AS (
      SELECT greatest(least(oracle.axis(w.now, w.zone), (SELECT min(CASE WHEN lower > '-infinity' THEN lower ELSE upper END) FROM oracle.partitions)),
                      oracle.axis(w.keep, w.zone)) AS first,
             oracle.mark(line, w.zone) AS after
      FROM ${cutoffSql(wish)}, LATERAL (SELECT date_trunc('${interval}', w.now AT TIME ZONE w.zone) + ${premake + 1} * ${step} AS line) AS l
    )
    SELECT unnest(tsmultirange(tsrange(first, after)) - (SELECT coalesce(range_agg(tsrange(lower, upper)), '{}') FROM oracle.partitions))::text AS hole
    FROM window_of`);
  return rows.map(({ hole }) => hole);
}
