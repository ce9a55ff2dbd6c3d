import { expect, test } from 'vitest';
import type { ExplainReport } from '../../lib/contract.ts';
import { runExplain } from '../../lib/jobs/explain.ts';
import { connectionSettings } from '../../lib/postgres/connection-options.ts';
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

test.each(['UTC', 'Europe/Berlin'])('means the same rows, and excludes partitions: in %s', async (zone) => {
  await using database = await createQueriedDatabase();
  const role = await database.createRole();
  await database.query(`
      GRANT USAGE ON SCHEMA app TO ${role.name}; GRANT SELECT ON ALL TABLES IN SCHEMA app TO ${role.name};
      ALTER ROLE ${role.name} SET TimeZone = '${zone}'; ALTER ROLE ${role.name} SET search_path = app`);
  const client = await database.connect({ role });
  for (const condition of CONDITIONS) {
    const [query] = (await explain(`SELECT * FROM events WHERE ${condition}`, role.url)).queries;
    const rewritten = query?.tables[0]?.findings[0]?.rewritten;
    expect(rewritten, condition).toBeTypeOf('string');
    const { rows } = await client.query<{ different: number; same: number }>(
      `SELECT count(*) FILTER (WHERE (${condition}) IS DISTINCT FROM (${rewritten}))::int AS different,
                count(*) FILTER (WHERE ${condition})::int AS same FROM events`,
    );
    expect(rows, `${condition}: ${rewritten}`).toEqual([{ different: 0, same: expect.any(Number) }]);
    if (zone === 'UTC') expect(rows[0]?.same, condition).toBeGreaterThan(0);
    const better = (await explain(`SELECT * FROM events WHERE ${rewritten}`, role.url)).queries[0]?.tables[0];
    expect(better?.pruning, rewritten).not.toBe('never');
    if (zone === 'UTC') expect(better?.scanned.length, rewritten).toBeLessThan(13);
  }
});
