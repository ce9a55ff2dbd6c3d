import { displayName } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import { begin, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { type ConversionMarker, conversionText } from '../marker.ts';
import { nullableKey } from '../nullable.ts';
import { shellSql } from '../parts.ts';
import type { Situation } from '../situation.ts';
import { copyBegins } from './backfill.ts';
import { changesTable } from './changes.ts';
import { notingFunction } from './mirror.ts';
import type { Pair } from './pair.ts';
import { type CopyStrategy, interimOf, layoutOf } from './strategy.ts';

export const newMarker = (
  { table }: Situation,
  strategy: CopyStrategy,
  identity: readonly string[],
  context: StatementContext,
): ConversionMarker => ({
  tableOid: table.oid,
  strategy,
  boundary: null,
  identity: [...identity],
  nullableKey: nullableKey(table),
  fingerprint: table.fingerprint,
  startedAt: context.startedAt,
  by: context.role,
  runId: context.runId,
});

/** The table to be, the log, and the function that writes to it; nobody feels any of it. */
export function prepareStep(
  pair: Pair,
  strategy: CopyStrategy,
  marker: ConversionMarker,
  context: StatementContext,
): Step {
  const { source, target } = pair;
  return {
    kind: 'prepare',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: `the table to be, made after ${displayName(source.schema, source.name)}`,
    hazards: [],
    locks: [],
    statements: [
      ...begin(source, context),
      ...shellSql(source, target.name, conversionText(marker), {
        layout: layoutOf(strategy),
        interim: interimOf(strategy),
        filled: true,
      }),
      changesTable(pair),
      copyBegins(pair),
      ...notingFunction(pair),
      'COMMIT',
    ],
  };
}
