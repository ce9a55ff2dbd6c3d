import type { Temporal } from 'temporal-polyfill';
import type { ReportError } from '../contract.ts';
import { displayName } from './identifiers.ts';
import type { PartitionedTable } from './model.ts';
import { byteLength, MAX_NAME_BYTES, partitionName } from './names.ts';
import { contains, type Range, uncovered } from './range.ts';
import { keeperCommand } from './remedy.ts';
import { type Gap, gapsIn, requiredWindow, type Schedule, scheduleOf } from './schedule.ts';
import type { TableConfig } from './table-config.ts';

/** More than this in one run is taken for a mistake until somebody approves it. */
export const MAX_CREATIONS = 1000;

export interface CreateOptions {
  readonly now: Temporal.Instant;
  /** Instead of the configured number. */
  readonly premake?: number | undefined;
  /** Instead of the oldest existing partition. */
  readonly from?: Temporal.Instant | undefined;
  /** Instead of the end of the look-ahead. */
  readonly to?: Temporal.Instant | undefined;
  readonly approve?: boolean | undefined;
}

export interface CreateStep {
  readonly kind: 'create';
  /** In the schema of the partitioned table. */
  readonly name: string;
  readonly range: Range;
  readonly reason: string;
}

export interface CreatePlan {
  /** Most urgent first: the current interval, the coming ones, then holes. */
  readonly steps: readonly CreateStep[];
  /** Partitions that cannot be created; the others still are. */
  readonly problems: readonly ReportError[];
  /** Set when the whole plan waits for approval. */
  readonly refusal: ReportError | null;
}

function windowOf(
  table: PartitionedTable,
  config: TableConfig,
  options: CreateOptions,
  schedule: Schedule,
): Range {
  const usual = requiredWindow(schedule, table.partitions, options.premake ?? config.premake);
  const { from, to } = options;
  return {
    from: from === undefined ? usual.from : schedule.calendar.containing(schedule.pointOf(from)).from,
    // The last interval is the one that holds the last moment before `to`.
    to: to === undefined ? usual.to : schedule.calendar.containing(schedule.pointOf(to) - 1n).to,
  };
}

function reasonOf({ interval, range }: Gap, { nowPoint }: Schedule): string {
  const whole = interval.from === range.from && interval.to === range.to;
  const stub = whole ? '' : ', as a stub up to the neighbouring partition';
  if (contains(range, nowPoint)) return `covers now${stub}`;
  return range.from > nowPoint ? `look-ahead${stub}` : `fills a hole${stub}`;
}

type Holder = 'own partition' | 'own detached table' | 'other';

/** Whether the name is that of a detached table of all this stretch, whose rows may yet be wanted there. */
const mayReturn = (table: PartitionedTable, name: string, { range }: Gap): boolean =>
  table.detached.some(
    (detached) => detached.name === name && uncovered(range, [detached.range]).length === 0,
  );

/**
 * A name nobody has; with a number where an own partition, however it came by it, or a detached one of another
 * stretch has the usual one. Else the name that stands in the way.
 */
function freeName(
  table: PartitionedTable,
  gap: Gap,
  wanted: string,
  planned: ReadonlySet<string>,
): { readonly name: string; readonly takenBy?: Holder } {
  for (let attempt = 1; ; attempt++) {
    const name = attempt === 1 ? wanted : `${wanted}_${attempt}`;
    if (byteLength(name) > MAX_NAME_BYTES) return { name: wanted, takenBy: 'own partition' };
    const holder = planned.has(name) ? 'own partition' : table.takenNames.get(name);
    if (holder === undefined) return { name };
    if (holder === 'other' || mayReturn(table, name, gap)) return { name, takenBy: holder };
  }
}

function nameTaken(
  table: PartitionedTable,
  { expired }: TableConfig,
  name: string,
  holder: Holder,
): ReportError {
  const relation = displayName(table.schema, name);
  const rename = `Rename it (ALTER TABLE ${relation} RENAME TO ...)`;
  switch (holder) {
    case 'other':
      return {
        code: 'name-taken',
        message: `Partition ${relation} cannot be created: another relation has that name and is no partition of ${displayName(table.schema, table.name)}.`,
        hint: `${rename}, or attach it if it is meant to be the partition; then run create again.`,
      };
    case 'own detached table':
      return {
        code: 'name-taken',
        message: `Partition ${relation} cannot be created: a table of that name and stretch was detached by Partition Keeper and ${expired === 'drop' ? 'waits to be dropped' : 'is kept'}.`,
        hint: `If its rows are wanted, attach it again (ALTER TABLE ${displayName(table.schema, table.name)} ATTACH PARTITION ${relation} FOR VALUES ...); else drop it: ${expired === 'drop' ? keeperCommand('cleanup', table) : `DROP TABLE ${relation};`}`,
      };
    case 'own partition':
      return {
        code: 'name-taken',
        message: `Partition ${relation} cannot be created: a table for another stretch has that name, and with a number it would be longer than ${MAX_NAME_BYTES} bytes.`,
        hint: `${rename}; then run create again.`,
      };
  }
}

/**
 * Which partitions are missing, and what to call them. Covers what no partition covers, never overlaps one,
 * and never makes a partition that retention would remove at once.
 */
export function planCreate(table: PartitionedTable, config: TableConfig, options: CreateOptions): CreatePlan {
  const schedule = scheduleOf(config, table.keyType, options.now);
  const covered = table.partitions.map(({ range }) => range);
  const gaps: Gap[] = [];
  for (const gap of gapsIn(schedule.calendar, windowOf(table, config, options, schedule), covered)) {
    if (!schedule.expired(gap.range)) gaps.push(gap);
    if (gaps.length > MAX_CREATIONS && options.approve !== true) {
      return { steps: [], problems: [], refusal: tooMany(table, gaps) };
    }
  }
  const upcoming = gaps.filter(({ range }) => range.to > schedule.nowPoint);
  const holes = gaps.filter(({ range }) => range.to <= schedule.nowPoint);

  const steps: CreateStep[] = [];
  const problems: ReportError[] = [];
  const planned = new Set<string>();
  for (const gap of [...upcoming, ...holes]) {
    const wanted = partitionName(table.name, config.interval, gap.interval.label);
    const free = freeName(table, gap, wanted, planned);
    if (free.takenBy !== undefined) {
      problems.push(nameTaken(table, config, free.name, free.takenBy));
      continue;
    }
    planned.add(free.name);
    steps.push({ kind: 'create', name: free.name, range: gap.range, reason: reasonOf(gap, schedule) });
  }
  return { steps, problems, refusal: null };
}

function tooMany(table: PartitionedTable, gaps: readonly Gap[]): ReportError {
  const first = gaps[0]?.interval.label.toPlainDate().toString() ?? '';
  return {
    code: 'too-many-creations',
    message: `More than ${MAX_CREATIONS} partitions of ${displayName(table.schema, table.name)} are missing, the first for ${first}. That is more likely a partition dated by mistake than a wish.`,
    hint: 'Look at the oldest partitions with `npx partition-keeper status`; narrow the run with --from and --to, or repeat it with --approve.',
  };
}
