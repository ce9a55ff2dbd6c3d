import { expect, test } from 'vitest';
import type { ExplainReport } from '../../lib/contract.ts';
import { runExplain } from '../../lib/jobs/explain.ts';
import { connectionSettings } from '../../lib/postgres/connection-options.ts';
import type { TestDatabase } from '../support/database.ts';
import { createQueriedDatabase } from '../support/queried.ts';

const explain = (query: string, url: string): Promise<ExplainReport> =>
  runExplain({ query, connection: connectionSettings(url, {}) });

const CONDITIONS = [
  "date_trunc('month', at) = '2026-03-01 00:00+00'",
  "date_trunc('month', at) >= '2026-03-15 00:00+00'",
  "date_trunc('week', at) <= '2026-03-02 00:00+00'",
  "date_trunc('quarter', at) < '2026-05-01 00:00+00'",
  "date_trunc('day', at) > '2026-03-01 12:00+00'",
  "at::date = '2026-03-29'",
  "at::date <= '2026-03-29'",
  "date(at) > '2026-03-29'",
  "'2026-03-29' > at::date",
  "to_char(at, 'YYYY-MM') = '2026-03'",
  "to_char(at, 'YYYYMMDD') >= '20260329'",
  'EXTRACT(year FROM at) = 2026',
  "date_part('year', at) < 2026",
  "at::text LIKE '2026-03%'",
  "at::text LIKE '2026-03-29%'",
  "(at AT TIME ZONE 'America/New_York')::date = '2026-03-05'",
  "at AT TIME ZONE 'Asia/Kolkata' >= '2026-03-05 00:00'",
  "at + interval '12 hours' > '2026-03-05 00:00+00'",
  "at - interval '12 hours' <= '2026-03-05 00:00+00'",
  "timestamptz '2026-03-05 00:00+00' - at < interval '36 hours'",
];

/** Where days are added by the clock of the session, and counted as 24 hours: rows beside a change of clocks differ. */
const OF_DAYS = [
  "timestamptz '2026-03-30 11:00+00' - at < interval '7 days'",
  "at + interval '1 day' > '2026-10-25 00:30+00'",
];

interface Rewriting {
  readonly rewritten: string;
  readonly remedy: string;
  /** For how many rows it is not the same. */
  readonly different: number;
  readonly same: number;
}

interface Surroundings {
  readonly url: string;
  readonly rewrite: (condition: string) => Promise<Rewriting>;
}

/** A role whose sessions are in the zone, and what it is told. */
async function roleIn(zone: string, database: TestDatabase): Promise<Surroundings> {
  const role = await database.createRole();
  await database.query(`
      GRANT USAGE ON SCHEMA app TO ${role.name}; GRANT SELECT ON ALL TABLES IN SCHEMA app TO ${role.name};
      ALTER ROLE ${role.name} SET TimeZone = '${zone}'; ALTER ROLE ${role.name} SET search_path = app`);
  const client = await database.connect({ role });
  return {
    url: role.url,
    rewrite: async (condition) => {
      const [query] = (await explain(`SELECT * FROM events WHERE ${condition}`, role.url)).queries;
      const { rewritten = '', remedy = '' } = query?.tables[0]?.findings[0] ?? {};
      expect(rewritten, condition).not.toBe('');
      const { rows } = await client.query<{ different: number; same: number }>(
        `SELECT count(*) FILTER (WHERE (${condition}) IS DISTINCT FROM (${rewritten}))::int AS different,
                count(*) FILTER (WHERE ${condition})::int AS same FROM events`,
      );
      return { rewritten, remedy, different: NaN, same: NaN, ...rows[0] };
    },
  };
}

test.each(['UTC', 'Europe/Berlin'])('means the same rows, and excludes partitions: in %s', async (zone) => {
  await using database = await createQueriedDatabase();
  const { url, rewrite } = await roleIn(zone, database);
  for (const condition of CONDITIONS) {
    const { rewritten, remedy, different, same } = await rewrite(condition);
    expect(different, `${condition}: ${rewritten}`).toBe(0);
    expect(remedy).not.toContain('near enough');
    if (zone === 'UTC') expect(same, condition).toBeGreaterThan(0);
    const better = (await explain(`SELECT * FROM events WHERE ${rewritten}`, url)).queries[0]?.tables[0];
    expect(better?.pruning, rewritten).not.toBe('never');
    if (zone === 'UTC') expect(better?.scanned.length, rewritten).toBeLessThan(13);
  }
});

test.each(['UTC', 'Europe/Berlin'])('is near enough where days are not alike: in %s', async (zone) => {
  await using database = await createQueriedDatabase();
  const { rewrite } = await roleIn(zone, database);
  for (const condition of OF_DAYS) {
    const { rewritten, remedy, different } = await rewrite(condition);
    expect({ different, near: remedy.includes('near enough') }, `${condition}: ${rewritten}`).toEqual(
      zone === 'UTC' ? { different: 0, near: false } : { different: 1, near: true },
    );
  }
});
