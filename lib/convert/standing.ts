import type { Finding } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import { isoText } from '../partition/key-type.ts';
import type { AttachPlan } from './attach/plan.ts';
import { BOUNDARY } from './names.ts';
import { preparedOf } from './prepared.ts';
import type { Situation } from './situation.ts';

/** What the server of a small machine did in a second; larger ones do more. */
const INDEXED_ROWS = 1_000_000;
const READ_BYTES = 1_000_000_000;

const inWords = (amount: number): string => Math.round(amount).toLocaleString('en-US');

/** How far the conversion is, and how much there is of the table. */
export function standing(situation: Situation, plan: AttachPlan, left: number): Finding {
  const { table, config } = situation;
  const begun = preparedOf(situation)?.marker ?? null;
  const name = displayName(table.schema, table.name);
  const boundary = isoText(table.keyType, config.timeZone, plan.boundary) ?? '';
  const rows = table.rows ?? 0;
  const index = Math.ceil(rows / INDEXED_ROWS);
  const read = Math.ceil(table.heapBytes / READ_BYTES);
  const checked = table.constraints.some(({ name: constraint }) => constraint === BOUNDARY);
  const size = `${table.rows === null ? 'an unknown number of' : `about ${inWords(rows)}`} rows, ${inWords(table.bytes / 1_000_000)} MB; reading it takes some ${read} s, each index some ${index} s`;
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
    message: `${state}; ${left === 1 ? '1 step is' : `${left} steps are`} left, new partitions take over at ${boundary} (${size}).${deadline}`,
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
