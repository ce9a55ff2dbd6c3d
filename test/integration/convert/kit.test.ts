import { expect, inject, test } from 'vitest';
import { createTestDatabase } from '../../support/database.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { createRichTable, type RichOptions } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';

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

test.for<[string, RichOptions]>([
  ['a common one', {}],
  ['with everything', everything],
  ['with odd names', { schema: 'My "app"', table: "It's $1 table", key: 'When "it" was' }],
  ['with a long name', { table: 'e'.repeat(63), ids: 'always' }],
  ['by timestamp', { keyType: 'timestamp', ids: 'serial', replicaIdentity: 'full' }],
  ['by date', { keyType: 'date', replicaIdentity: 'index' }],
  ['by uuid', { keyType: 'uuid', nullableKey: true, publicationOfPartitions: true }],
])('rich table: %s', async ([, options]) => {
  await using database = await createTestDatabase();
  const table = await createRichTable(database, options);
  await fill(database, table, { rows: 300, ...period });
  await database.query(`UPDATE ${table.names.table} SET note = 'changed' WHERE id % 10 = 0`);
  expect(await contents(database, table.names.table)).toMatchObject({ count: 300 });
});

test('100,000 rows', async () => {
  await using database = await createTestDatabase();
  const table = await createRichTable(database);
  const began = Date.now();
  await fill(database, table, { rows: 100_000, ...period });
  const filled = Date.now();
  const sum = await contents(database, table.names.table);
  console.log(inject('serverVersion'), filled - began, Date.now() - filled, contentsDifference(sum, sum));
});
