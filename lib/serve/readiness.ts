import { setTimeout as delay } from 'node:timers/promises';
import type { ReportError } from '../contract.ts';
import { explain } from '../postgres/apply/explain.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';
import { openSession } from '../postgres/session.ts';
import type { Clock } from './clock.ts';

/** Whether the database answers. */
export type Answer =
  | { readonly ok: true; readonly database: string; readonly serverVersion: string }
  | { readonly ok: false; readonly error: ReportError };

/** A probe that is asked ten times a second connects no more often than this. */
const KEPT_MS = 2_000;
/** Probes wait for seconds, not longer. */
const TIME_LIMIT_MS = 5_000;

async function ask(connection: ConnectionSettings): Promise<Answer> {
  try {
    const connectTimeoutMs = Math.min(connection.connectTimeoutMs, TIME_LIMIT_MS);
    const { client, server } = await openSession({ ...connection, connectTimeoutMs }, 'ready', 'read');
    await client.end();
    return { ok: true, database: server.database, serverVersion: server.version };
  } catch (error) {
    return { ok: false, error: explain(error) };
  }
}

async function tooLate(signal: AbortSignal): Promise<Answer> {
  await delay(TIME_LIMIT_MS, undefined, { signal }).catch(() => undefined);
  return {
    ok: false,
    error: {
      code: 'timeout',
      message: `The database has not answered within ${TIME_LIMIT_MS / 1000} seconds.`,
      hint: 'Check the network between here and the server, and its load.',
    },
  };
}

async function askInTime(connection: ConnectionSettings): Promise<Answer> {
  const answered = new AbortController();
  try {
    return await Promise.race([ask(connection), tooLate(answered.signal)]);
  } finally {
    answered.abort();
  }
}

/** Asks the database whether it answers; who asks while another does, or right after, is told the same. */
export function databaseProbe(connection: ConnectionSettings, { steady }: Clock): () => Promise<Answer> {
  let answer: Promise<Answer> | undefined;
  let until = Number.POSITIVE_INFINITY;
  return () => {
    if (answer !== undefined && steady() < until) return answer;
    until = Number.POSITIVE_INFINITY;
    answer = askInTime(connection).finally(() => {
      until = steady() + KEPT_MS;
    });
    return answer;
  };
}
