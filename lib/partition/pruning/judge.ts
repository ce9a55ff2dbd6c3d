import type { Pruning, PruningFinding, PruningFindingName } from '../../contract.ts';
import type { KeyType } from '../key-type.ts';
import { adviceOf, rewrittenText } from './advice.ts';
import { type Judged, judge, type Knowledge, together } from './condition.ts';
import { type Expression, partsOf } from './expression.ts';
import type { Isolated } from './isolate.ts';
import { isKey, type Key, mentionsKey } from './key.ts';

/** One appearance of a partitioned table, and what a plan says of it. */
export interface Appearance {
  readonly keyColumn: string;
  /** Null: not partitioned by RANGE of one column of time. */
  readonly keyType: KeyType | null;
  readonly timeZone: string;
  readonly partitions: number;
  readonly scanned: number;
  /** What the conditions call the table's columns by. */
  readonly aliases: readonly (string | null)[];
  readonly conditions: readonly Expression[];
  /** What it is joined by, elsewhere in the plan. */
  readonly joins: readonly Expression[];
  readonly pruningEnabled: boolean;
  readonly knowledge: Knowledge;
}

export interface Verdict {
  readonly pruning: Pruning;
  readonly keyConditions: readonly string[];
  readonly findings: readonly PruningFinding[];
}

/** As people write types. */
const shortTypes = (text: string): string =>
  text
    .replaceAll('::timestamp with time zone', '::timestamptz')
    .replaceAll('::timestamp without time zone', '::timestamp');

/** Whether two tables are joined by the key, in any part of the condition. */
const joinsByKey = (condition: Expression, key: Key): boolean =>
  (condition.kind === 'comparison' && (isKey(condition.left, key) || isKey(condition.right, key))) ||
  partsOf(condition).some((part) => joinsByKey(part, key));

const itemsOf = (side: Expression): readonly Expression[] => (side.kind === 'row' ? side.operands : []);

/** What a comparison of rows compares the key with. */
function rowValues(condition: Expression, key: Key): string[] {
  if (condition.kind !== 'comparison') return [];
  const [left, right] = [itemsOf(condition.left), itemsOf(condition.right)];
  return left.flatMap((item, index) => {
    const other = right[index];
    if (other === undefined) return [];
    return isKey(item, key) ? [other.text] : isKey(other, key) ? [item.text] : [];
  });
}

/** An index on the key alone is searched by `key >= value` for `ROW(key, id) > ROW(value, ..)`, which prunes nothing. */
function withoutDerived(conditions: readonly Expression[], key: Key): readonly Expression[] {
  const values = new Set(conditions.flatMap((condition) => rowValues(condition, key)));
  return conditions.filter((condition) => {
    if (condition.kind !== 'comparison') return true;
    const { left, right } = condition;
    return !((isKey(left, key) && values.has(right.text)) || (isKey(right, key) && values.has(left.text)));
  });
}

type Severity = PruningFinding['severity'];

function finding(
  name: PruningFindingName,
  severity: Severity,
  condition: string | null,
  key: Key,
  isolated: Isolated | null = null,
): PruningFinding {
  const { message, remedy } = adviceOf(name, key);
  const about = { finding: name, severity, message, condition };
  if (isolated === null) return { ...about, remedy };
  const { text, note } = rewrittenText(isolated);
  const rewritten = shortTypes(text);
  return { ...about, remedy: `Write instead: ${rewritten}${note}`, rewritten };
}

const texts = (condition: Expression, { aliases }: Key): string => {
  const bare = aliases.reduce<string>(
    (text, alias) => (alias === null ? text : text.replaceAll(`${alias}.`, '')),
    condition.text,
  );
  return shortTypes(bare);
};

/** What keeps partitions from being read, or would if it were written otherwise. */
export function verdictOf(appearance: Appearance): Verdict {
  const { keyColumn, keyType, partitions, scanned, conditions, joins, knowledge, timeZone, aliases } =
    appearance;
  const key: Key = { column: keyColumn, type: keyType ?? 'timestamptz', timeZone, aliases };
  if (keyType === null) return unjudged(appearance, key);
  const asked = scanned === partitions ? withoutDerived(conditions, key) : conditions;
  const judged = asked.map((condition) => ({ condition, outcome: judge(condition, key, knowledge) }));
  const range = together(judged.map(({ outcome }) => outcome));
  const keyConditions = asked
    .filter((condition) => mentionsKey(condition, key))
    .map((condition) => texts(condition, key));
  const pruning: Pruning = appearance.pruningEnabled ? (range?.when ?? 'never') : 'never';
  /** Nothing is lost where there is just one. */
  const severity: Severity = pruning === 'never' && partitions > 1 && scanned > 1 ? 'warning' : 'info';

  const obstacles = judged.flatMap(({ condition, outcome }) =>
    outcome.kind === 'obstacle'
      ? [finding(outcome.finding, severity, texts(condition, key), key, outcome.isolated)]
      : [],
  );
  const joined =
    range === null && joins.some((condition) => joinsByKey(condition, key))
      ? [finding('join', severity, null, key)]
      : [];
  const none =
    range === null && obstacles.length + joined.length === 0
      ? [finding('no-condition', severity, null, key)]
      : [];
  const off = appearance.pruningEnabled ? [] : [finding('pruning-off', severity, null, key)];
  return {
    pruning,
    keyConditions,
    findings: [...off, ...obstacles, ...joined, ...none, ...remarks(judged, range, scanned, key)],
  };
}

/** What is worth knowing of conditions that do exclude partitions. */
function remarks(
  judged: readonly { readonly condition: Expression; readonly outcome: Judged }[],
  range: ReturnType<typeof together>,
  scanned: number,
  key: Key,
): PruningFinding[] {
  const late = new Map<PruningFindingName, string>();
  for (const { condition, outcome } of judged) {
    if (outcome.kind === 'range' && outcome.late !== null && !late.has(outcome.late))
      late.set(outcome.late, texts(condition, key));
  }
  const open = range !== null && range.from !== range.to && scanned > 1;
  return [
    ...[...late].map(([name, condition]) => finding(name, 'info', condition, key)),
    ...(open ? [finding('open-ended', 'info', null, key)] : []),
  ];
}

/** Tables that are partitioned otherwise: only the plan says what is left out. */
function unjudged({ partitions, scanned }: Appearance, key: Key): Verdict {
  const pruning: Pruning = scanned < partitions ? 'planning' : 'never';
  return { pruning, keyConditions: [], findings: [finding('not-analysed', 'info', null, key)] };
}
