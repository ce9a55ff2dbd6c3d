import type pg from 'pg';
import type { Finding } from '../contract.ts';
import { displayIdentifier } from '../partition/identifiers.ts';
import { readHolders } from '../postgres/apply/holders.ts';
import type { LockNeed, Step } from '../postgres/step.ts';

/** Younger ones are gone before a step gets to them. */
const LONG_SECONDS = 1;

const note = (message: string, remedy: string, facts: Finding['facts']): Finding => ({
  finding: 'conversion',
  severity: 'info',
  message,
  remedy,
  facts,
});

/** Each relation with the strongest lock that some step takes on it. */
function strongest(steps: readonly Step[]): LockNeed[] {
  const needs = new Map<number, LockNeed>();
  for (const need of steps.flatMap(({ locks }) => locks)) {
    if (need.mode === 'AccessExclusiveLock' || !needs.has(need.oid)) needs.set(need.oid, need);
  }
  return [...needs.values()];
}

/** Who would keep a step waiting if it came now. */
async function holders(client: pg.Client, steps: readonly Step[]): Promise<Finding[]> {
  const found = await readHolders(client, strongest(steps));
  const sessions = new Map(
    found.filter(({ ageSeconds }) => (ageSeconds ?? 0) > LONG_SECONDS).map((one) => [one.pid, one]),
  );
  return [...sessions.values()].map(({ pid, application, user, ageSeconds, lockMode, relation }) =>
    note(
      `pid ${pid} (${application ?? user ?? 'unknown'}) has held ${lockMode} on ${relation} for ${Math.round(ageSeconds ?? 0)} s: a step that comes now waits for it, outside of the queue.`,
      `Wait for it to end, or have an administrator end it: SELECT pg_terminate_backend(${pid});`,
      { pid, relation, lockMode, ageSeconds },
    ),
  );
}

/** What is written is written to the log as well, which slots keep until whoever reads them has had it. */
async function slots(client: pg.Client, copies: boolean): Promise<Finding[]> {
  const { rows } = await client.query<{ name: string; active: boolean }>(
    'SELECT slot_name AS name, active FROM pg_replication_slots WHERE NOT temporary ORDER BY 1',
  );
  if (rows.length === 0) return [];
  const idle = rows.filter(({ active }) => !active).map(({ name }) => displayIdentifier(name));
  return [
    note(
      `${copies ? 'What is copied goes' : 'New indexes go'} through ${rows.length === 1 ? 'the replication slot' : `${rows.length} replication slots`} ${rows.map(({ name }) => displayIdentifier(name)).join(', ')} as well${idle.length === 0 ? '' : `; nobody reads ${idle.join(', ')}, so the disk keeps it all`}.`,
      idle.length === 0
        ? `Watch how far replicas are behind${copies ? ', or use --max-replica-lag' : ''}.`
        : `If it is no longer needed: SELECT pg_drop_replication_slot('${rows.find(({ active }) => !active)?.name ?? ''}');`,
      { slots: rows.map(({ name }) => name), inactive: idle },
    ),
  ];
}

/** What a plan cannot know from the table alone: who is there, and who gets what is copied. */
export async function surroundings(client: pg.Client, steps: readonly Step[]): Promise<Finding[]> {
  const copies = steps.some(({ kind }) => kind === 'copy');
  const writes = copies || steps.some(({ kind }) => kind === 'index');
  return [...(await holders(client, steps)), ...(writes ? await slots(client, copies) : [])];
}
