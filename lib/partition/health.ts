import type { Temporal } from 'temporal-polyfill';
import type { Finding, FindingName, Gauges, Severity } from '../contract.ts';
import { INTERVALS } from './calendar.ts';
import { displayIdentifier, displayName, shellWord } from './identifiers.ts';
import type { Partition, PartitionedTable } from './model.ts';
import { byteLength, MAX_NAME_BYTES } from './names.ts';
import { droppableDetached, isOurs, planCleanup } from './plan-cleanup.ts';
import { MAX_CREATIONS } from './plan-create.ts';
import { contains, isBounded, type Point, type Range, union } from './range.ts';
import { ahead, type Gap, gapsIn, requiredWindow, type Schedule, scheduleOf } from './schedule.ts';
import { spanText } from './span.ts';
import type { TableConfig } from './table-config.ts';

/** From this size on, one partition is unwieldy to index, vacuum or move. */
const OVERSIZED_BYTES = 50 * 2 ** 30;
/** From this number on, a query that cannot prune takes thousands of locks. */
const TOO_MANY_PARTITIONS = 1000;
const WEEK_MS = 7 * 86_400_000;

export interface HealthInput {
  readonly table: PartitionedTable;
  readonly config: TableConfig;
  readonly now: Temporal.Instant;
  readonly serverClock: Temporal.Instant;
  readonly localClock: Temporal.Instant;
}

/** Everything the single checks look at, computed once. */
interface View extends HealthInput {
  readonly schedule: Schedule;
  readonly name: string;
  /** Ranges whose rows can be read and written: a partition pending detach serves nobody. */
  readonly usable: readonly Range[];
  readonly gaps: readonly Gap[];
}

const command = (view: View, job: string): string =>
  `partition-keeper ${job} --table ${shellWord(`${view.table.schema}.${view.table.name}`)}`;

function finding(
  name: FindingName,
  severity: Severity,
  message: string,
  remedy: string,
  facts: Finding['facts'] = {},
  partition?: Partition | { readonly schema: string; readonly name: string },
): Finding {
  return {
    finding: name,
    severity,
    message,
    remedy,
    facts,
    ...(partition === undefined ? {} : { partition: displayName(partition.schema, partition.name) }),
  };
}

function viewOf(input: HealthInput): View {
  const { table, config, now } = input;
  const schedule = scheduleOf(config, table.keyType, now);
  const usable = table.partitions.filter(({ detachPending }) => !detachPending).map(({ range }) => range);
  // One interval less than create keeps ready: on the first of the month, an hour before it runs, all is well.
  const window = requiredWindow(schedule, table.partitions, config.premake - 1);
  const gaps: Gap[] = [];
  for (const gap of gapsIn(schedule.calendar, window, usable)) {
    if (schedule.expired(gap.range)) continue;
    gaps.push(gap);
    if (gaps.length > MAX_CREATIONS) break;
  }
  return { ...input, schedule, usable, gaps, name: displayName(table.schema, table.name) };
}

const iso = (view: View, point: Point): string => view.schedule.latest(point).toString();

/** Microseconds before the next interval at which its partition must exist. */
function leadTime(schedule: Schedule): Point {
  const half = (schedule.current.to - schedule.current.from) / 2n;
  const week = BigInt(WEEK_MS) * 1000n;
  return half < week ? half : week;
}

function missingFindings(view: View): Finding[] {
  const { schedule, usable, gaps, name } = view;
  const remedy = command(view, 'create');
  const findings: Finding[] = [];
  const covered = usable.some((range) => contains(range, schedule.nowPoint));
  if (!covered) {
    const effect =
      view.table.defaultPartition === null
        ? 'INSERTs of new rows fail'
        : 'new rows fall into the default partition';
    findings.push(
      finding('missing-current', 'critical', `No partition of ${name} covers now: ${effect}.`, remedy, {
        now: view.now.toString(),
      }),
    );
  }
  const next = schedule.calendar.after(schedule.current);
  const nextMissing = gapsIn(schedule.calendar, next, usable).next().done !== true;
  const soon = next.from - schedule.nowPoint <= leadTime(schedule);
  if (nextMissing && soon) {
    findings.push(
      finding(
        'missing-next',
        'critical',
        `The next ${view.config.interval} begins ${iso(view, next.from)} and ${name} has no partition for all of it.`,
        remedy,
        { begins: iso(view, next.from) },
      ),
    );
  }
  const others = gaps.filter(
    ({ interval }) => interval.from !== schedule.current.from && !(soon && interval.from === next.from),
  );
  const first = others[0];
  if (first !== undefined) {
    const ahead = others.filter(({ range }) => range.from > schedule.nowPoint).length;
    const holes = others.length - ahead;
    const count = others.length > MAX_CREATIONS ? `more than ${MAX_CREATIONS}` : String(others.length);
    const parts = [
      ...(ahead > 0 ? [`${ahead} of the coming ${view.config.interval}s`] : []),
      ...(holes > 0 ? [`${holes} in the midst of existing ones`] : []),
    ];
    findings.push(
      finding(
        'missing',
        'warning',
        `${count} ${others.length === 1 ? 'partition' : 'partitions'} of ${name} ${others.length === 1 ? 'is' : 'are'} missing: ${parts.join(' and ')}; the first begins ${iso(view, first.range.from)}.`,
        remedy,
        { missing: others.length, ahead, holes, first: iso(view, first.range.from) },
      ),
    );
  }
  return findings;
}

function overdue(view: View): Partition[] {
  const { table, config, schedule } = view;
  const newest = table.partitions.at(-1);
  return table.partitions.filter(
    (partition) => partition !== newest && schedule.expired(partition.range, config.overdueAfter),
  );
}

function retentionFindings(view: View): Finding[] {
  const { table, config, schedule, name } = view;
  const findings: Finding[] = [];
  const late = overdue(view);
  const oldest = late[0];
  if (oldest !== undefined) {
    findings.push(
      finding(
        'expired',
        'warning',
        `${late.length} ${late.length === 1 ? 'partition' : 'partitions'} of ${name} ${late.length === 1 ? 'is' : 'are'} past the retention of ${spanText(config.retention ?? {})} by more than ${spanText(config.overdueAfter)}; the oldest ends ${iso(view, oldest.range.to)}.`,
        command(view, 'cleanup'),
        { expired: late.length, oldest: displayName(oldest.schema, oldest.name) },
      ),
    );
  }
  for (const stranded of droppableDetached(table, config, schedule)) {
    findings.push(
      finding(
        'stranded',
        'warning',
        `${displayName(stranded.schema, stranded.name)} was detached from ${name} on ${stranded.marker.detachedAt} and has not been dropped.`,
        command(view, 'cleanup'),
        { detachedAt: stranded.marker.detachedAt, bytes: stranded.bytes },
        stranded,
      ),
    );
  }
  const plan = planCleanup(table, config, {
    now: view.now,
    serverClock: view.serverClock,
    localClock: view.localClock,
    approve: true,
  });
  return [...findings, ...plan.findings];
}

function pendingFindings(view: View): Finding[] {
  return view.table.partitions
    .filter(({ detachPending }) => detachPending)
    .map((partition) => {
      const parent = displayName(view.table.schema, view.table.name);
      const name = displayName(partition.schema, partition.name);
      const ours = isOurs(partition, view.table);
      return finding(
        'detach-pending',
        'warning',
        `A concurrent detach of ${name} was begun${ours ? ' by Partition Keeper' : ' by somebody else'} and not finished: its rows are invisible through ${parent}, and INSERTs into its range fail.`,
        ours ? command(view, 'cleanup') : `ALTER TABLE ${parent} DETACH PARTITION ${name} FINALIZE;`,
        { ours },
        partition,
      );
    });
}

function defaultFindings(view: View): Finding[] {
  const { defaultPartition } = view.table;
  if (defaultPartition === null || defaultPartition.rows === null || defaultPartition.rows === 0) return [];
  return [
    finding(
      'default-rows',
      'warning',
      `The default partition of ${view.name} holds ${defaultPartition.rows} rows: they had no partition to go to, escape retention, and slow every new partition down.`,
      command(view, 'create'),
      { rows: defaultPartition.rows },
      defaultPartition,
    ),
  ];
}

function onGrid(view: View, range: Range): boolean {
  if (!isBounded(range.from) || !isBounded(range.to)) return false;
  const interval = view.schedule.calendar.containing(range.from);
  return interval.from === range.from && interval.to === range.to;
}

function shapeFindings(view: View): Finding[] {
  const { table } = view;
  const unmanaged = table.partitions.filter(
    ({ kind, range }) => kind !== 'table' || !isBounded(range.from) || !isBounded(range.to),
  );
  const offGrid = table.partitions.filter(
    (partition) => !unmanaged.includes(partition) && !onGrid(view, partition.range),
  );
  const cut = table.partitions.filter(({ name }) => byteLength(name) === MAX_NAME_BYTES);
  const names = (partitions: readonly { schema: string; name: string }[]) =>
    partitions.slice(0, 20).map(({ schema, name }) => displayName(schema, name));
  const about = (
    name: FindingName,
    partitions: readonly { schema: string; name: string }[],
    what: string,
    remedy: string,
  ): Finding[] =>
    partitions.length === 0
      ? []
      : [
          finding(
            name,
            'info',
            `${partitions.length} ${partitions.length === 1 ? 'partition' : 'partitions'} of ${view.name} ${what}`,
            remedy,
            { count: partitions.length, partitions: names(partitions) },
          ),
        ];
  return [
    ...about(
      'off-grid',
      offGrid,
      `do not lie on the grid of ${view.config.interval}s in ${view.config.timeZone}; they are kept as they are, and only what they leave free is filled.`,
      'Nothing to do; if the interval or time zone in the config is a mistake, correct it.',
    ),
    ...about(
      'unmanaged',
      [...unmanaged, ...table.unreadable],
      'are open-ended, foreign, partitioned themselves or have bounds that cannot be read; they are kept as they are.',
      'Nothing to do.',
    ),
    ...about(
      'overlong-name',
      cut,
      `have names of ${MAX_NAME_BYTES} bytes, which PostgreSQL may have cut off.`,
      'Rename them if the names mislead; nothing depends on names.',
    ),
  ];
}

function indexFindings(view: View): Finding[] {
  const { table } = view;
  const all = [...table.partitions, ...(table.defaultPartition === null ? [] : [table.defaultPartition])];
  return all.flatMap((partition) => {
    const name = displayName(partition.schema, partition.name);
    const parent = displayName(table.schema, table.name);
    return [
      ...partition.missingIndexes.map((index) =>
        finding(
          'index-missing',
          'warning',
          `${name} has no counterpart of the index ${index} of ${parent}: queries that count on it scan the whole partition.`,
          `Create the index on ${name} with CREATE INDEX CONCURRENTLY, then ALTER INDEX ${displayName(table.schema, index)} ATTACH PARTITION it.`,
          { index },
          partition,
        ),
      ),
      ...partition.invalidIndexes.map((index) =>
        finding(
          'index-invalid',
          'warning',
          `The index ${index} of ${name} is invalid: it costs writes and serves no query.`,
          `REINDEX INDEX CONCURRENTLY ${displayName(partition.schema, index)};`,
          { index },
          partition,
        ),
      ),
    ];
  });
}

function sizeFindings(view: View): Finding[] {
  const { table, config, name } = view;
  const findings: Finding[] = [];
  const largest = largestPartition(table);
  if (largest !== null && largest.bytes > OVERSIZED_BYTES) {
    const shorter = INTERVALS[Math.max(0, INTERVALS.indexOf(config.interval) - 1)];
    findings.push(
      finding(
        'oversized',
        'info',
        `${displayName(largest.schema, largest.name)} holds about ${Math.round(largest.bytes / 2 ** 30)} GiB, more than is comfortable for one partition.`,
        `Consider interval: '${shorter}' for ${name}; existing partitions stay as they are.`,
        { bytes: largest.bytes },
        largest,
      ),
    );
  }
  if (table.partitions.length > TOO_MANY_PARTITIONS) {
    findings.push(
      finding(
        'too-many',
        'warning',
        `${name} has ${table.partitions.length} partitions: a query without a condition on ${table.keyColumn} locks all of them.`,
        'Use a longer interval or a shorter retention.',
        { partitions: table.partitions.length },
      ),
    );
  }
  if (table.partitions.length < 2) {
    findings.push(
      finding(
        'too-few',
        'warning',
        `${name} has ${table.partitions.length === 0 ? 'no partition' : 'just one partition'}.`,
        command(view, 'create'),
        { partitions: table.partitions.length },
      ),
    );
  }
  return findings;
}

function environmentFindings(view: View): Finding[] {
  const { table, name, serverClock, localClock } = view;
  const findings: Finding[] = [];
  const skewMs = Math.abs(serverClock.epochMilliseconds - localClock.epochMilliseconds);
  if (skewMs > 3_600_000) {
    findings.push(
      finding(
        'clock-skew',
        'warning',
        `The server's clock says ${serverClock.toString()}, this machine's ${localClock.toString()}: a cleanup of ${name} would be refused.`,
        'Correct the clock that is wrong.',
        { skewSeconds: Math.round(skewMs / 1000) },
      ),
    );
  }
  if (!table.mayManage) {
    findings.push(
      finding(
        'permission',
        'critical',
        `The executing role is neither the owner of ${name} nor a member of it: it can neither create nor remove partitions.`,
        `GRANT ${displayIdentifier(table.owner)} TO the role Partition Keeper connects as.`,
        { owner: table.owner },
      ),
    );
  } else if (!table.mayCreate) {
    findings.push(
      finding(
        'permission',
        'critical',
        `The owner of ${name} may not create tables in schema ${table.schema}: no partition can be created.`,
        `GRANT CREATE ON SCHEMA ${displayIdentifier(table.schema)} TO ${displayIdentifier(table.owner)};`,
        { owner: table.owner },
      ),
    );
  }
  const slow = table.foreignKeys.filter(({ indexed }) => !indexed);
  if (slow.length > 0) {
    const referenced = [
      ...new Set(slow.map((key) => displayName(key.referenced.schema, key.referenced.name))),
    ];
    findings.push(
      finding(
        'foreign-key',
        'info',
        `${name} has foreign keys without an index (${slow.map((key) => key.name).join(', ')}): deleting a row of ${referenced.join(', ')} scans every partition.`,
        'Create indexes that begin with the foreign key columns, or give up the foreign keys.',
        { foreignKeys: slow.map((key) => key.name) },
      ),
    );
  }
  return findings;
}

const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'info'];

/** Every finding about one table, worst first. */
export function findingsOf(input: HealthInput): Finding[] {
  const view = viewOf(input);
  return [
    ...missingFindings(view),
    ...environmentFindings(view),
    ...pendingFindings(view),
    ...defaultFindings(view),
    ...retentionFindings(view),
    ...indexFindings(view),
    ...sizeFindings(view),
    ...shapeFindings(view),
  ].toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

function largestPartition(table: PartitionedTable): Partition | null {
  return table.partitions.reduce<Partition | null>(
    (largest, partition) => (largest === null || partition.bytes > largest.bytes ? partition : largest),
    null,
  );
}

function runwayDays(view: View): number {
  const { schedule, usable } = view;
  const stretch = union(usable).find((range) => contains(range, schedule.nowPoint));
  if (stretch === undefined) return 0;
  // An open end counts as far as anybody plans.
  const end = isBounded(stretch.to)
    ? stretch.to
    : ahead(schedule.calendar, schedule.current, MAX_CREATIONS).to;
  const milliseconds = schedule.latest(end).epochMilliseconds - view.now.epochMilliseconds;
  return Math.round((milliseconds / 86_400_000) * 100) / 100;
}

/** The figures published as metrics. */
export function gaugesOf(input: HealthInput): Gauges {
  const view = viewOf(input);
  const { table, schedule } = view;
  const largest = largestPartition(table);
  const next = schedule.calendar.after(schedule.current);
  const soon = next.from - schedule.nowPoint <= leadTime(schedule);
  const inWindow = new Set(view.gaps.map(({ interval }) => interval.from));
  if (soon && gapsIn(schedule.calendar, next, view.usable).next().done !== true) inWindow.add(next.from);
  return {
    partitions: table.partitions.length,
    runwayDays: runwayDays(view),
    missing: inWindow.size,
    expired: overdue(view).length,
    defaultRows: table.defaultPartition === null ? 0 : table.defaultPartition.rows,
    detachPending: table.partitions.filter(({ detachPending }) => detachPending).length,
    totalBytes:
      table.partitions.reduce((sum, { bytes }) => sum + bytes, 0) + (table.defaultPartition?.bytes ?? 0),
    largestPartition: largest === null ? null : displayName(largest.schema, largest.name),
    largestBytes: largest?.bytes ?? 0,
  };
}
