import pg from 'pg';
import { markerText } from '../../../lib/partition/marker.ts';
import { leaveDetachUnfinished } from '../unfinished-detach.ts';
import { type Life, shifted } from './keeping.ts';
import type { Event } from './story.ts';

/** What PostgreSQL refuses people: overlaps and empty bounds, rows in the way, a second unfinished detach, detaching concurrently beside a default partition. */
const REFUSALS = new Set(['42P17', '23514', '55000', '42809', '22003', '22P02', '42830']);

/** Whether it was done; false where PostgreSQL refuses it. */
async function unlessRefused(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && REFUSALS.has(error.code ?? '')) return false;
    throw error;
  }
}

const attempt = ({ database }: Life, sql: string): Promise<boolean> => unlessRefused(database.query(sql));

async function chosen(
  { database }: Life,
  which: number,
): Promise<{ name: string; bounds: string } | undefined> {
  const rows = await database.query<{ name: string; bounds: string }>(`
    SELECT p.name, pg_get_expr(c.relpartbound, c.oid) AS bounds
    FROM oracle.partitions AS p JOIN pg_class AS c USING (oid) WHERE NOT p.pending ORDER BY p.lower`);
  return rows[which % Math.max(1, rows.length)];
}

/** As a SQL expression, so that a wall-clock key is PostgreSQL's; its row is in the midst of its millisecond. */
const keySql = (life: Life, hundredths: number): string =>
  `oracle.key('${shifted(life, hundredths)}', '${life.wanted.zone}', 77)::text`;

async function make(life: Life, from: number | null, to: number | null): Promise<void> {
  life.made++;
  const end = (hundredths: number | null, open: string) =>
    hundredths === null ? `'${open}'` : `quote_literal(${keySql(life, hundredths)})`;
  await attempt(
    life,
    `DO $$ BEGIN EXECUTE format('CREATE TABLE app.hand_${life.made} PARTITION OF app.events FOR VALUES FROM (%s) TO (%s)',
      ${end(from, 'MINVALUE')}, ${end(to, 'MAXVALUE')}); END $$`,
  );
}

/** Marks the partition as a run does that is about to detach it: with its bounds as they are printed in UTC. */
async function mark({ database, server }: Life, name: string): Promise<void> {
  const client = await database.connect();
  try {
    await client.query("SET TimeZone = 'UTC'");
    const { rows } = await client.query<{ parent: number; bounds: string }>(`
      SELECT 'app.events'::regclass::oid::int8::float8 AS parent, pg_get_expr(relpartbound, oid) AS bounds
      FROM pg_class WHERE oid = 'app.${name}'::regclass`);
    const comment = markerText({
      parentOid: rows[0]?.parent ?? 0,
      parent: 'app.events',
      bounds: rows[0]?.bounds ?? '',
      detachedAt: server.clock.now.toString(),
      by: 'a test',
      runId: 'none',
      comment: null,
    });
    await client.query(`COMMENT ON TABLE app.${name} IS ${client.escapeLiteral(comment)}`);
  } finally {
    await client.end();
  }
}

/**
 * A concurrent detach begins and does not come to its end, unless PostgreSQL refuses to begin it: then a run takes its
 * marker back.
 */
async function interrupt(life: Life, which: number, ours: boolean): Promise<void> {
  const partition = await chosen(life, which);
  if (partition === undefined) return;
  if (ours) await mark(life, partition.name);
  const begun = await unlessRefused(
    leaveDetachUnfinished(life.database, 'app.events', `app.${partition.name}`),
  );
  if (ours && !begun) await life.database.query(`COMMENT ON TABLE app.${partition.name} IS NULL`);
}

/** What people do to the table besides the jobs. */
export async function byHand(life: Life, event: Event): Promise<void> {
  const { story, torn } = life;
  switch (event.kind) {
    case 'make':
      return await make(life, event.from, event.to);
    case 'make default':
      life.made++;
      await attempt(life, `CREATE TABLE app.hand_${life.made} PARTITION OF app.events DEFAULT`);
      return;
    case 'detach': {
      const partition = await chosen(life, event.which);
      if (partition === undefined) return;
      life.made++;
      const name = `torn_${life.made}`;
      const detached = await attempt(
        life,
        `ALTER TABLE app.events DETACH PARTITION app.${partition.name}; ALTER TABLE app.${partition.name} RENAME TO ${name}`,
      );
      if (detached) torn.push({ name, bounds: partition.bounds });
      return;
    }
    case 'attach': {
      const last = torn.pop();
      if (last !== undefined)
        await attempt(life, `ALTER TABLE app.events ATTACH PARTITION app.${last.name} ${last.bounds}`);
      return;
    }
    case 'interrupt':
      // While a detach is unfinished that retention does not want, PostgreSQL begins no other: a run says so and fails.
      if (story.expired === 'drop') await interrupt(life, event.which, event.ours);
      return;
    case 'refer': {
      const partition = await chosen(life, event.which);
      life.made++;
      if (partition !== undefined)
        await attempt(
          life,
          `CREATE TABLE app.referring_${life.made} (id int, at ${story.keyType}, FOREIGN KEY (id, at) REFERENCES app.${partition.name} (id, at))`,
        );
      return;
    }
  }
}
