import * as v from 'valibot';
import { INTERVALS } from '../partition/calendar.ts';
import { byteLength, MAX_NAME_BYTES, nameExcess } from '../partition/names.ts';
import { deploymentSchema } from './deployment.ts';
import { timeZone } from './time-zone.ts';
import { unknownKey, unknownText } from './unknown-key.ts';

const identifier = (what: string) =>
  v.pipe(
    v.string(`${what} must be a string`),
    v.nonEmpty(`${what} must not be empty`),
    v.check((name) => !name.includes('\0'), `${what} must not contain a NUL character`),
    v.check(
      (name) => byteLength(name) <= MAX_NAME_BYTES,
      `${what} is longer than ${MAX_NAME_BYTES} bytes, which PostgreSQL does not allow`,
    ),
  );

/** A thousand years of each unit: enough for every policy, and inside every calendar's range. */
const MAX_UNITS = { years: 1000, months: 12_000, weeks: 52_000, days: 365_000, hours: 8_760_000 } as const;

const amount = (unit: keyof typeof MAX_UNITS) =>
  v.optional(
    v.pipe(
      v.number(`${unit} must be a number`),
      v.integer(`${unit} must be a whole number`),
      v.minValue(1, `${unit} must be at least 1`),
      v.maxValue(MAX_UNITS[unit], `${unit} must be at most ${MAX_UNITS[unit]}`),
    ),
  );

const span = v.pipe(
  v.strictObject(
    {
      years: amount('years'),
      months: amount('months'),
      weeks: amount('weeks'),
      days: amount('days'),
      hours: amount('hours'),
    },
    (issue) =>
      issue.expected === 'never'
        ? unknownText('unit', issue, Object.keys(MAX_UNITS))
        : `must name its unit, as in { days: 90 } or { years: 7 }, not ${issue.received}`,
  ),
  v.check(
    (value) => Object.values(value).some((units) => units !== undefined),
    'must have at least one of years, months, weeks, days, hours',
  ),
);

const tableEntries = {
  schema: identifier('schema'),
  table: identifier('table'),
  partitionKey: identifier('partitionKey'),
  interval: v.picklist(INTERVALS, (issue) => `must be one of ${INTERVALS.join(', ')}, not ${issue.received}`),
  premake: v.optional(
    v.pipe(
      v.number('premake must be a number'),
      v.integer('premake must be a whole number'),
      v.minValue(1, 'premake must be at least 1, or INSERTs fail when the next interval begins'),
      v.maxValue(10_000, 'premake must be at most 10000'),
    ),
  ),
  retention: v.optional(span),
  expired: v.optional(v.picklist(['drop', 'detach'], "expired must be 'drop' or 'detach'")),
  grace: v.optional(span),
  overdueAfter: v.optional(span),
  maxExpiredShare: v.optional(
    v.pipe(
      v.number('maxExpiredShare must be a number'),
      v.check((share) => share > 0 && share <= 1, 'maxExpiredShare must be above 0 and at most 1'),
    ),
  ),
  timeZone: v.optional(timeZone),
};

const table = v.pipe(
  v.strictObject(tableEntries, unknownKey(Object.keys(tableEntries))),
  v.forward(
    v.partialCheck(
      [['table'], ['interval']],
      (value) => byteLength(value.table) > MAX_NAME_BYTES || nameExcess(value.table, value.interval) === 0,
      (issue) =>
        `names of its partitions would be ${nameExcess(issue.input.table, issue.input.interval)} bytes longer than ` +
        `PostgreSQL's ${MAX_NAME_BYTES}; rename the table or choose a longer interval`,
    ),
    ['table'],
  ),
  v.forward(
    v.partialCheck(
      [['grace'], ['expired']],
      (value) => value.grace === undefined || value.expired !== 'detach',
      "grace is the time until a detached partition is dropped; with expired: 'detach' it is never dropped",
    ),
    ['grace'],
  ),
);

const tableName = v.object({ schema: v.string(), table: v.string() });

const configEntries = {
  $schema: v.optional(v.string('must be a string')),
  timeZone: v.optional(timeZone),
  deployment: v.optional(deploymentSchema),
  tables: v.pipe(
    v.array(table, 'must be a list of tables'),
    v.minLength(1, 'must list at least one table'),
    v.rawCheck(({ dataset, addIssue }) => {
      const entries: readonly unknown[] = Array.isArray(dataset.value) ? dataset.value : [];
      const names = entries.map((entry) =>
        v.is(tableName, entry) ? JSON.stringify([entry.schema, entry.table]) : undefined,
      );
      names.forEach((name, index) => {
        const first = names.indexOf(name);
        if (name === undefined || first === index) return;
        addIssue({
          message: `this table is listed already, as tables[${first}]`,
          path: [{ type: 'array', origin: 'value', input: [...entries], key: index, value: entries[index] }],
        });
      });
    }),
  ),
};

/** The config as a user writes it. Source of the editors' JSON Schema. */
export const configSchema = v.strictObject(configEntries, unknownKey(Object.keys(configEntries)));

export type ConfigInput = v.InferInput<typeof configSchema>;
export type TableInput = ConfigInput['tables'][number];
