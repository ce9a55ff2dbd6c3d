import type { Finding } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import { isoText } from '../partition/key-type.ts';
import { BOUNDARY } from '../partition/names.ts';
import type { AttachPlan } from './attach/plan.ts';
import { preparedOf } from './prepared.ts';
import type { Situation } from './situation.ts';
import { durationsOf, sizeOf, stepsLeft } from './size.ts';

/** How far the conversion is, and how much there is of the table. */
export function standing(situation: Situation, plan: AttachPlan, left: number): Finding {
  const { table, config } = situation;
  const begun = preparedOf(situation)?.marker ?? null;
  const name = displayName(table.schema, table.name);
  const boundary = isoText(table.keyType, config.timeZone, plan.boundary) ?? '';
  const { read, index } = durationsOf(table);
  const checked = table.constraints.some(({ name: constraint }) => constraint === BOUNDARY);
  const size = `${sizeOf(table)}; reading it takes some ${read} s, each index some ${index} s`;
  const state =
    begun === null
      ? `The conversion of ${name} has not begun`
      : `The conversion of ${name} was begun at ${begun.startedAt} by ${begun.by}`;
  const deadline = checked
    ? ` Until it is finished or undone, ${name} takes no rows from ${boundary} on: do either before then.`
    : '';
  return {
    finding: 'conversion',
    severity: checked ? 'warning' : 'info',
    message: `${state}; ${stepsLeft(left)}, new partitions take over at ${boundary} (${size}).${deadline}`,
    remedy: `npx partition-keeper convert ${config.schema}.${config.table}`,
    facts: {
      phase: begun === null ? 'not begun' : checked ? 'bounded' : 'prepared',
      boundary,
      stepsLeft: left,
      rows: table.rows,
      bytes: table.bytes,
    },
  };
}
