import { displayName, qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { BOUNDARY } from '../../partition/names.ts';
import { MAXVALUE, MINVALUE, type Point } from '../../partition/range.ts';
import { begin, lockNeed, nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { definitionOf, type IndexPlan } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { NOT_NULL } from '../names.ts';
import { mayBeNull } from '../nullable.ts';
import { boundaryCheck } from '../switch/switch.ts';

/** What the old table needs before it can become a partition without a look at its rows. */

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

const base = (table: LegacyTable) => ({
  partition: displayName(table.schema, table.name),
  partitionOid: table.oid,
  range: EVERYWHERE,
});

/** Reads the table once; VACUUM and DDL on it wait meanwhile, nobody else does. */
const READS = (table: LegacyTable): string =>
  `reads the whole of ${displayName(table.schema, table.name)} once, under a SHARE UPDATE EXCLUSIVE lock that no query waits for`;

/**
 * Built while everybody works. It waits for transactions older than itself, holding what only VACUUM and DDL wait for,
 * so neither wait is cut short; an attempt that fails leaves an invalid index, which the next one drops.
 */
export function helperIndexStep(table: LegacyTable, plan: IndexPlan, helper: string): Step {
  const name = qualified(table.schema, helper);
  const unique = plan.change === 'key added' ? 'UNIQUE ' : '';
  return {
    ...base(table),
    kind: 'index',
    reason:
      plan.change === 'key added'
        ? `index ${displayName(table.schema, helper)} for the primary key, which has to contain ${table.keyColumn}`
        : `index ${displayName(table.schema, helper)} like ${plan.index.name}, which cannot stay unique`,
    hazards: [READS(table), 'waits for every transaction that is older'],
    locks: [lockNeed(table, 'ShareUpdateExclusiveLock')],
    statements: [
      ...(table.isOwner ? [] : [`SET ROLE ${quoteIdentifier(table.owner)}`]),
      "SET lock_timeout = '10min'",
      "SET statement_timeout = '0'",
      `DROP INDEX CONCURRENTLY IF EXISTS ${name}`,
      `CREATE ${unique}INDEX CONCURRENTLY ${quoteIdentifier(helper)} ON ${nameOf(table)} ${definitionOf(plan, table.keyColumn)}`,
    ],
  };
}

function addCheck(
  table: LegacyTable,
  name: string,
  check: string,
  reason: string,
  context: StatementContext,
): Step {
  return {
    ...base(table),
    kind: 'constrain',
    reason,
    hazards: [`an ACCESS EXCLUSIVE lock on ${displayName(table.schema, table.name)} for a moment`],
    locks: [lockNeed(table, 'AccessExclusiveLock')],
    statements: [
      ...begin(table, context),
      `ALTER TABLE ${nameOf(table)} ADD CONSTRAINT ${quoteIdentifier(name)} ${check} NOT VALID`,
      'COMMIT',
    ],
  };
}

function validate(table: LegacyTable, name: string, reason: string, context: StatementContext): Step {
  return {
    ...base(table),
    kind: 'constrain',
    reason,
    hazards: [READS(table)],
    locks: [lockNeed(table, 'ShareUpdateExclusiveLock')],
    statements: [
      ...begin(table, context, '0'),
      `ALTER TABLE ${nameOf(table)} VALIDATE CONSTRAINT ${quoteIdentifier(name)}`,
      'COMMIT',
    ],
  };
}

/** NOT NULL by way of a check that is already known to hold, which spares the look at the rows under the lock. */
export function notNullSteps(table: LegacyTable, context: StatementContext): Step[] {
  const key = quoteIdentifier(table.keyColumn);
  if (!mayBeNull(table)) return [];
  const there = table.constraints.find(({ name }) => name === NOT_NULL);
  return [
    ...(there === undefined
      ? [
          addCheck(
            table,
            NOT_NULL,
            `CHECK (${key} IS NOT NULL)`,
            `${table.keyColumn} must not be null`,
            context,
          ),
        ]
      : []),
    ...(there?.validated === true
      ? []
      : [validate(table, NOT_NULL, `no row has a null ${table.keyColumn}`, context)]),
    {
      ...base(table),
      kind: 'constrain',
      reason: `${table.keyColumn} is NOT NULL from now on`,
      hazards: [`an ACCESS EXCLUSIVE lock on ${displayName(table.schema, table.name)} for a moment`],
      locks: [lockNeed(table, 'AccessExclusiveLock')],
      statements: [
        ...begin(table, context),
        `ALTER TABLE ${nameOf(table)} ALTER COLUMN ${key} SET NOT NULL`,
        `ALTER TABLE ${nameOf(table)} DROP CONSTRAINT ${quoteIdentifier(NOT_NULL)}`,
        'COMMIT',
      ],
    },
  ];
}

/** From the first of these on, the table takes no row beyond the boundary; so they come last before the switch. */
export function boundarySteps(
  table: LegacyTable,
  boundary: Point,
  text: string,
  context: StatementContext,
): Step[] {
  const there = table.constraints.find(({ name }) => name === BOUNDARY);
  return [
    ...(there === undefined
      ? [addCheck(table, BOUNDARY, boundaryCheck(table, boundary), `new rows are below ${text}`, context)]
      : []),
    ...(there?.validated === true ? [] : [validate(table, BOUNDARY, `all rows are below ${text}`, context)]),
  ];
}

/** Autovacuum never does it for a partitioned table. */
export function analyzeStep(table: LegacyTable, context: StatementContext): Step {
  return {
    ...base(table),
    kind: 'analyze',
    reason: 'statistics of the whole, which autovacuum does not gather',
    hazards: ['a SHARE UPDATE EXCLUSIVE lock, which no query waits for'],
    locks: [],
    statements: [...begin(table, context, '0'), `ANALYZE ${nameOf(table)}`, 'COMMIT'],
  };
}
