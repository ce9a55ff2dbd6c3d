import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Span } from '../../../lib/partition/span.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { readTables, scriptTable, tablesRoutine } from '../../../lib/sql/tables.ts';
import { anyInterval, anyZone } from '../support/arbitraries.ts';
import { configOf } from '../support/tables.ts';

/** Whatever a name may hold, and what could be mistaken for the end of it. */
const anyName = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc
    .array(fc.constantFrom("'", '\\', '"', '\n', ', ', '(1, ', ')', 'E', 'ORDER BY 1', ',\n       ('), {
      minLength: 1,
    })
    .map((parts) => parts.join('')),
);

const anyAmount = fc.option(fc.integer({ min: 1, max: 9999 }), { nil: undefined });
const anySpan: fc.Arbitrary<Span> = fc
  .record({ years: anyAmount, months: anyAmount, weeks: anyAmount, days: anyAmount, hours: anyAmount })
  .map((span) => Object.fromEntries(Object.entries(span).filter(([, amount]) => amount !== undefined)));

const anyTable: fc.Arbitrary<TableConfig> = fc.record({
  schema: anyName,
  table: anyName,
  partitionKey: anyName,
  interval: anyInterval,
  premake: fc.integer({ min: 1, max: 1000 }),
  retention: fc.option(anySpan),
  expired: fc.constantFrom('drop', 'detach'),
  grace: fc.option(anySpan),
  overdueAfter: anySpan,
  maxExpiredShare: fc.double({ min: Number.MIN_VALUE, max: 1, noNaN: true }),
  timeZone: fc.oneof(anyZone, fc.constantFrom('CET', '-05:30')),
});

test('what the script writes is read again, whatever the names', () => {
  fc.assert(
    fc.property(fc.array(anyTable, { minLength: 1, maxLength: 5 }), (tables) => {
      expect(readTables(tablesRoutine(tables).body)).toEqual(tables.map(scriptTable));
    }),
  );
});

test.each([
  ['SELECT * FROM app.settings', ''],
  ["'month'", 'app.wanted()'],
  ['ORDER BY 1', 'ORDER BY 1 LIMIT 1'],
  ["interval '2 years", "interval '2 decades"],
])('what somebody has changed is not: %s', (from, to) => {
  const { body } = tablesRoutine([configOf({ retention: { years: 2 } })]);
  expect(readTables(body)).toHaveLength(1);
  expect(readTables(body.includes(from) ? body.replace(from, to) : from)).toBeNull();
});
