import { expect, test } from 'vitest';
import { keeper, stepsOf, tableOf } from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import { auditLogs, createAuditDatabase } from '../support/traffic.ts';

/** How long others may have to wait where something is wrong with us, or with the server. It takes that long. */

test('a run that falls silent while it holds locks keeps others waiting for seconds only, and loses nothing', async () => {
  await using database = await createAuditDatabase({ months: [-3, -1, 0, 1] });
  const writer = await database.connect();
  await writer.query("SET statement_timeout = '30s'");
  {
    using _ = beforeStatement(/^DROP TABLE /, () =>
      writer.query("INSERT INTO platform.audit_logs (action, resource_type) VALUES ('a', 'b')"),
    );
    const report = await keeper(database, auditLogs).cleanup();
    expect(tableOf(report)).toMatchObject({
      status: 'failed',
      error: { code: expect.stringMatching(/^(25P03|connection-lost)$/) },
    });
  }
  await writer.end();
  expect(stepsOf(await keeper(database, auditLogs).cleanup()).map(({ kind }) => kind)).toEqual(['drop']);
}, 60_000);

test('a drop that takes long while others wait for it is given up, and loses nothing', async () => {
  await using database = await createAuditDatabase({ months: [-3, -1, 0, 1] });
  await database.query(`
    CREATE SCHEMA test;
    CREATE FUNCTION test.slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(40); END';
    CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION test.slow()`);
  const report = await keeper(database, auditLogs).cleanup();
  expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: '57014' } });
  await database.query('DROP EVENT TRIGGER slow');
  expect(stepsOf(await keeper(database, auditLogs).cleanup()).map(({ kind }) => kind)).toEqual(['drop']);
}, 60_000);
