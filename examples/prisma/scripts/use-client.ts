import { randomUUID } from 'node:crypto';
import type { PrismaClient } from '../generated/client.ts';
import { connect } from './client.ts';
import { ifStarted } from './surroundings.ts';

/** The partition a row of the audit trail lies in. */
async function partitionOf(client: PrismaClient, id: string): Promise<string | undefined> {
  const rows = await client.$queryRaw<{ partition: string }[]>`
    SELECT tableoid::regclass::text AS partition FROM platform.audit_logs WHERE id = ${id}::uuid`;
  return rows[0]?.partition;
}

/** What an application does with a partitioned table, and what it has to know. Returns what it found. */
export async function useClient(client: PrismaClient) {
  const user = await client.user.create({ data: { email: `${randomUUID()}@example.com` } });
  const entry = await client.auditLog.create({
    data: { action: 'login', resourceType: 'session', userId: user.id },
  });

  // A row is found by both columns of its key: by the id alone, every partition would be searched.
  const found = await client.auditLog.findUnique({
    where: { id_createdAt: { id: entry.id, createdAt: entry.createdAt } },
  });
  // The same key as the target of an upsert.
  const changed = await client.auditLog.upsert({
    where: { id_createdAt: { id: entry.id, createdAt: entry.createdAt } },
    create: { action: 'login', resourceType: 'session' },
    update: { updatedBy: user.id, updatedAt: new Date() },
  });

  // A range of the key is what lets PostgreSQL leave partitions out.
  const day = 24 * 60 * 60 * 1000;
  const recent = await client.user.findUniqueOrThrow({
    where: { id: user.id },
    select: { auditLogs: { where: { createdAt: { gte: new Date(Date.now() - day) } } } },
  });

  // The server's now() has microseconds, a Date has milliseconds. So a row that was not written by this client is not
  // found by the Date it was read with; it is found by the millisecond.
  const id = randomUUID();
  await client.$executeRaw`
    INSERT INTO platform.audit_logs (id, action, resource_type, created_at)
    VALUES (${id}::uuid, 'import', 'file', date_trunc('second', now()) + interval '123456 microseconds')`;
  const { createdAt } = await client.auditLog.findFirstOrThrow({ where: { id } });
  const byDate = await client.auditLog.findUnique({ where: { id_createdAt: { id, createdAt } } });
  const byMillisecond = await client.auditLog.findFirst({
    where: { id, createdAt: { gte: createdAt, lt: new Date(createdAt.getTime() + 1) } },
  });

  return {
    partition: await partitionOf(client, entry.id),
    found: found?.id === entry.id,
    changed: changed.updatedBy === user.id,
    recent: recent.auditLogs.length,
    importedByDate: byDate !== null,
    importedByMillisecond: byMillisecond?.id === id,
  };
}

await ifStarted(import.meta.url, async () => {
  const client = connect();
  try {
    console.log(await useClient(client));
  } finally {
    await client.$disconnect();
  }
});
