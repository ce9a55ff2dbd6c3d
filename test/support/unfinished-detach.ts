import pg from 'pg';
import type { TestDatabase } from './database.ts';

/**
 * Begins a concurrent detach that a reader keeps from coming to its end: it gives up waiting for him, and the partition
 * stays pending. Throws what else PostgreSQL has to say.
 */
export async function leaveDetachUnfinished(
  database: TestDatabase,
  parent: string,
  partition: string,
): Promise<void> {
  const [reader, detacher] = [await database.connect(), await database.connect()];
  try {
    await reader.query(`BEGIN; SELECT FROM ${parent} LIMIT 1`);
    await detacher.query("SET lock_timeout = '20ms'");
    await detacher.query(`ALTER TABLE ${parent} DETACH PARTITION ${partition} CONCURRENTLY`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '55P03') throw error;
  } finally {
    await reader.end();
    await detacher.end();
  }
}
