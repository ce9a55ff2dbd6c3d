import type { TestDatabase } from '../database.ts';
import { waitUntil } from '../wait.ts';

/** Holds runs up in the statement that does the work of a step, as late as possible. */
export interface Gate {
  /** Waits until a run stands before it; the process of the server that serves it. */
  readonly arrival: () => Promise<number>;
  /** Lets everybody pass from now on. */
  readonly open: () => Promise<void>;
}

/**
 * Makes the gate, which is closed. Attaching, detaching and dropping then last until it is opened, for runs only.
 * @param statements a pattern of others that do instead
 */
export async function closeGate(
  database: TestDatabase,
  statements = '^(ALTER TABLE .* (ATTACH|DETACH) PARTITION|DROP TABLE)',
): Promise<Gate> {
  await database.query(`
    DROP SCHEMA IF EXISTS gate CASCADE;
    CREATE SCHEMA gate;
    CREATE TABLE gate.closed AS SELECT true;
    GRANT USAGE ON SCHEMA gate TO PUBLIC; GRANT SELECT ON gate.closed TO PUBLIC;
    CREATE FUNCTION gate.pass() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') LIKE 'partition-keeper/%'
        AND current_query() ~ '${statements}' THEN
        WHILE EXISTS (SELECT FROM gate.closed) LOOP PERFORM pg_sleep(0.01); END LOOP;
      END IF;
    END $$;
    CREATE EVENT TRIGGER gate ON ddl_command_start EXECUTE FUNCTION gate.pass()`);
  return {
    arrival: async () => {
      let pid: number | undefined;
      await waitUntil(
        async () => {
          const rows = await database.query<{ pid: number }>(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%' AND wait_event = 'PgSleep'",
          );
          pid = rows[0]?.pid;
          return pid !== undefined;
        },
        { what: 'a run stands before the gate' },
      );
      return pid ?? 0;
    },
    open: async () => {
      await database.query('DROP EVENT TRIGGER IF EXISTS gate; DELETE FROM gate.closed');
    },
  };
}
