import { describe, expect, test } from 'vitest';
import { startApplication } from '../../support/convert/application.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createRichTable, type RichOptions } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';
import { createTestDatabase } from '../../support/database.ts';
import { waitUntil } from '../../support/wait.ts';

const period = { from: '2026-01-01T00:00:00Z', to: '2026-07-01T00:00:00Z' } as const;

const everything: RichOptions = {
  noInheritCheck: true,
  uniqueWithoutKey: true,
  exclusionConstraint: true,
  notValidForeignKey: true,
  constraintTrigger: true,
  keyTrigger: true,
  forceRowSecurity: true,
  publicationForAllTables: true,
  chainedGrant: true,
  materializedView: true,
  setReturningFunction: true,
  incomingForeignKey: true,
  rule: true,
  inheritanceChild: true,
};

describe('rich table and its rows', () => {
  test.for<[string, RichOptions]>([
    ['a common one', {}],
    ['with everything', everything],
    ['with odd names', { schema: 'My "app"', table: "It's $1 table", key: 'When "it" was' }],
    ['with a long name', { table: 'e'.repeat(63), ids: 'always' }],
    ['by timestamp', { keyType: 'timestamp', ids: 'serial', replicaIdentity: 'full' }],
    ['by date', { keyType: 'date', replicaIdentity: 'index' }],
    ['by uuid', { keyType: 'uuid', nullableKey: true, publicationOfPartitions: true }],
  ])('%s can be made, filled, changed and described', async ([, options]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, options);
    await fill(database, table, { rows: 300, ...period });
    await database.query(`UPDATE ${table.names.table} SET note = 'changed' WHERE revision = 1`);
    expect(await contents(database, table.names.table)).toMatchObject({ count: 300 });
    const is = await describeTable(database, table.schema, table.table);
    expect(is.kind).toBe('plain');
    expect(Object.keys(is.kept.columns)).toContain(table.key);
    expect(Object.keys(is.kept.views)).not.toEqual([]);
    expect(descriptionDifference(is, await describeTable(database, table.schema, table.table))).toEqual([]);
  });

  test('the same seed gives the same rows, another one others', async () => {
    const filled = async (seed: number) => {
      await using database = await createTestDatabase();
      const table = await createRichTable(database, { keyType: 'uuid' });
      await fill(database, table, { rows: 6000, ...period, seed });
      return await contents(database, table.names.table);
    };
    const [first, again, other] = [await filled(1), await filled(1), await filled(2)];
    expect(contentsDifference(first, again)).toEqual([]);
    expect(contentsDifference(first, other)).toHaveLength(1);
  });

  test('rows are inside the period, some right at the starts of months', async () => {
    await using database = await createTestDatabase();
    const { names } = await createRichTable(database).then(async (table) => {
      await fill(database, table, { rows: 2000, ...period });
      return table;
    });
    const [row] = await database.query(
      `SELECT min(at) >= '2026-01-01 00:00+00' AND max(at) < '2026-07-01 00:00+00' AS inside,
         count(*) FILTER (WHERE at = date_trunc('month', at)) > 50 AS at_starts,
         count(*) FILTER (WHERE at + interval '1 microsecond' = date_trunc('month', at) + interval '1 month') > 40 AS before_starts,
         max(length(body)) AS longest
       FROM ${names.table}`,
    );
    expect(row).toEqual({ inside: true, at_starts: true, before_starts: true, longest: 102_400 });
  });
});
