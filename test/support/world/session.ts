import type pg from 'pg';
import { codeOf } from '../../../lib/postgres/sqlstate.ts';
import type { World } from './world.ts';

/** What the server answered. */
export type Answer =
  | { readonly ok: true; readonly rows: readonly Record<string, unknown>[]; readonly count: number }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** A connection of somebody who acts; every statement is noted in the journal. */
export interface Session {
  readonly who: string;
  readonly run: (sql: string, params?: readonly unknown[]) => Promise<Answer>;
  readonly end: () => Promise<void>;
}

const short = (sql: string, params: readonly unknown[]): string => {
  const values = params.length === 0 ? '' : ` ${JSON.stringify(params).slice(0, 200)}`;
  return sql.replace(/\s+/g, ' ').trim().slice(0, 160) + values;
};

/** @param lockTimeout how long the session waits for a lock before it gives up */
export async function openSession(world: World, who: string, lockTimeout: string): Promise<Session> {
  const client: pg.Client = await world.database.connect();
  await client.query(
    `SET application_name = '${who}'; SET statement_timeout = '20s'; SET lock_timeout = '${lockTimeout}'`,
  );
  return {
    who,
    async run(sql, params = []) {
      try {
        const { rows, rowCount } = await client.query(sql, [...params]);
        world.journal.tell(who, `${short(sql, params)} -> ok ${rowCount ?? ''}`);
        return { ok: true, rows: rows ?? [], count: rowCount ?? 0 };
      } catch (error) {
        const code = codeOf(error) ?? 'none';
        const message = error instanceof Error ? error.message : String(error);
        world.journal.tell(who, `${short(sql, params)} -> ${code} ${message}`);
        return { ok: false, code, message };
      }
    },
    end: () => client.end(),
  };
}
