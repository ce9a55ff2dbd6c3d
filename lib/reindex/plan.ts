import type { Finding } from '../contract.ts';
import { displayName, quoteIdentifier } from '../partition/identifiers.ts';
import type { PartitionedTable } from '../partition/model.ts';
import { MAXVALUE, MINVALUE, type Range } from '../partition/range.ts';
import { bytesInWords } from '../partition/words.ts';
import { isCommented, replaceComment } from '../postgres/statements/comments.ts';
import { begin, nameOf, type StatementContext } from '../postgres/statements/common.ts';
import type { Step } from '../postgres/step.ts';
import { choiceText, chosen } from './choose.ts';
import { allLeftovers, leftoversOf } from './leftovers.ts';
import { findMarker, markersOf, type ReindexMarker, reindexText, userComment } from './marker.ts';
import type { Choice, LeafIndex, MarkedIndex } from './model.ts';

/** A rebuild of one index, and the removal of what an earlier one has left behind. */
export interface IndexWork {
  readonly index: LeafIndex;
  readonly leftovers: readonly { readonly index: LeafIndex; readonly step: Step }[];
  /** Null: it has been rebuilt, only leftovers are to be removed. */
  readonly step: Step | null;
}

export interface ReindexPlan {
  /** Note what is to be done, for whoever goes on after an interruption; and take back what counts no longer. */
  readonly notes: readonly Step[];
  /** For each table, in order; the indexes of one table never at the same time. */
  readonly units: readonly (readonly IndexWork[])[];
  /** Removes what a failed rebuild of an index has left behind. */
  readonly discard: (leftover: LeafIndex, of: LeafIndex, waitMs: number) => Step;
  /** Takes the note back when all is rebuilt. */
  readonly forget: Step | null;
  readonly findings: readonly Finding[];
  /** What it takes, for who has not begun yet. */
  readonly outlook: readonly Finding[];
}

export interface ReindexInput {
  readonly table: PartitionedTable;
  readonly indexes: readonly LeafIndex[];
  /** What else may bear a marker of a run that was given up, such as an index of a partition that was detached. */
  readonly marked: readonly MarkedIndex[];
  readonly choice: Choice;
  /** Begins anew, whatever an interrupted run has done. */
  readonly restart: boolean;
  readonly jobs: number;
  /** How long one wait for older transactions may last. */
  readonly maxWaitMs: number;
  readonly context: StatementContext;
}

const EVERYWHERE: Range = { from: MINVALUE, to: MAXVALUE };

/** The partitions as they follow each other, the default one last. */
function order(
  table: PartitionedTable,
): ReadonlyMap<number, { readonly place: number; readonly range: Range }> {
  const ranged = table.partitions.map(({ oid, range }) => ({ oid, range }));
  const others = [...table.unreadable, ...(table.defaultPartition === null ? [] : [table.defaultPartition])];
  return new Map(
    [...ranged, ...others.map(({ oid }) => ({ oid, range: EVERYWHERE }))].map(({ oid, range }, place) => [
      oid,
      { place, range },
    ]),
  );
}

const note = (
  severity: Finding['severity'],
  message: string,
  remedy: string,
  facts: Finding['facts'],
): Finding => ({
  finding: 'reindex',
  severity,
  message,
  remedy,
  facts,
});

/** What the server of a small machine did in a second; larger ones do more. */
const INDEXED_ROWS = 1_000_000;

/** What it takes: so many indexes at once are there twice. */
function outlook(todo: readonly LeafIndex[], jobs: number): Finding[] {
  if (todo.length === 0) return [];
  const bytes = todo.reduce((sum, index) => sum + index.bytes, 0);
  const largest = todo.map((index) => index.bytes).toSorted((a, b) => b - a);
  const room = largest.slice(0, jobs).reduce((sum, size) => sum + size, 0);
  const rows = todo.reduce((sum, index) => sum + (index.rows ?? 0), 0);
  const seconds = Math.ceil(rows / INDEXED_ROWS / jobs);
  const about = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  return [
    note(
      'info',
      `${todo.length === 1 ? 'An index' : `${todo.length} indexes`} of ${bytesInWords(bytes)} ${todo.length === 1 ? 'is' : 'are'} rebuilt: that needs up to ${bytesInWords(room)} of free disk for the time being, which SQL cannot see, writes about as much to the log as the indexes are large, and takes roughly ${about}.`,
      'Look for room on the disk of the server first; the sizes are estimates as of the last VACUUM or ANALYZE.',
      { indexes: todo.length, bytes, freeBytesNeeded: room, seconds, jobs },
    ),
  ];
}

/** Indexes of exclusion constraints: the server rebuilds them only while nobody writes. */
function refused(exclusions: readonly LeafIndex[]): Finding[] {
  if (exclusions.length === 0) return [];
  const names = exclusions.map(({ schema, name }) => displayName(schema, name));
  return [
    note(
      'info',
      `Left out, as PostgreSQL cannot rebuild the index of an exclusion constraint concurrently: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}.`,
      `In a quiet moment, as it keeps writers out: REINDEX INDEX ${exclusions.map(nameOf)[0] ?? ''};`,
      { indexes: names },
    ),
  ];
}

/**
 * The plan: which indexes, in which order, and what is left of an interrupted run of the same choice.
 * @throws KeeperError when the choice names what is not there
 */
export function planReindex(input: ReindexInput): ReindexPlan {
  const { table, indexes, marked: elsewhere, choice, restart, jobs, maxWaitMs, context } = input;
  const name = displayName(table.schema, table.name);
  const places = order(table);
  const partitions = new Map(
    [
      ...table.partitions,
      ...table.unreadable,
      ...(table.defaultPartition === null ? [] : [table.defaultPartition]),
    ].map((partition) => [partition.oid, partition]),
  );
  const leftovers = allLeftovers(indexes);
  const sound = indexes.filter((index) => !leftovers.has(index));
  const partitionOf = (oid: number) => partitions.get(oid) ?? null;
  const asked = chosen(sound, choice, partitionOf, name);
  // What is left over is invalid, too, whatever the index it was to replace.
  const scope = chosen(sound, { ...choice, invalid: false }, partitionOf, name);
  const possible = asked.filter(({ exclusion }) => !exclusion);
  const found = findMarker(table.oid, indexes);
  const sameRun = found !== null && !restart && found.marker.choice === choiceText(choice);
  const listed = new Set(found?.marker.indexes);
  const todo = sameRun ? possible.filter(({ oid }) => listed.has(oid)) : possible;
  const sorted = scope.toSorted(
    (a, b) =>
      (places.get(a.partitionOid)?.place ?? 0) - (places.get(b.partitionOid)?.place ?? 0) ||
      a.table.oid - b.table.oid ||
      a.oid - b.oid,
  );

  const partitionOids = new Map(indexes.map(({ oid, partitionOid }) => [oid, partitionOid]));
  const base = ({ oid, table: { schema, name: leaf, oid: leafOid } }: MarkedIndex) => ({
    partition: displayName(schema, leaf),
    partitionOid: leafOid,
    range: places.get(partitionOids.get(oid) ?? leafOid)?.range ?? EVERYWHERE,
    locks: [],
  });
  /** Nobody who reads or writes waits for what these wait for; only VACUUM and DDL of this one partition do. */
  const timeouts = (waitMs: number): string[] => [
    ...(table.isOwner ? [] : [`SET ROLE ${quoteIdentifier(table.owner)}`]),
    `SET lock_timeout = '${waitMs}ms'`,
    "SET statement_timeout = '0'",
  ];
  const discard = (index: LeafIndex, of: LeafIndex, waitMs: number): Step => ({
    ...base(index),
    kind: 'discard',
    reason: `${displayName(index.schema, index.name)}, left behind by an interrupted rebuild of ${of.name}`,
    hazards: ['waits for every transaction that uses the table'],
    statements: [...timeouts(waitMs), `DROP INDEX CONCURRENTLY ${nameOf(index)}`],
  });
  const rebuild = (index: LeafIndex): Step => ({
    ...base(index),
    kind: 'reindex',
    reason: `index ${index.schema === index.table.schema ? index.name : displayName(index.schema, index.name)}, ${index.valid ? '' : 'which is invalid, '}${bytesInWords(index.bytes)}`,
    hazards: [
      'a SHARE UPDATE EXCLUSIVE lock on the partition, which no reader or writer waits for',
      'waits for every transaction that is older',
    ],
    statements: [...timeouts(maxWaitMs), `REINDEX INDEX CONCURRENTLY ${nameOf(index)}`],
  });

  const work = sorted.flatMap((index): IndexWork[] => {
    const left = leftoversOf(index, indexes);
    const again = todo.includes(index);
    if (left.length === 0 && !again) return [];
    return [
      {
        index,
        leftovers: left.map((one) => ({ index: one, step: discard(one, index, maxWaitMs) })),
        step: again ? rebuild(index) : null,
      },
    ];
  });
  const tables = [...new Set(work.map(({ index }) => index.table.oid))];
  const units = tables.map((oid) => work.filter(({ index }) => index.table.oid === oid));
  const last = work.findLast(({ step }) => step !== null)?.index;

  /** Waits for nobody who comments on the index at that moment: what he has written is looked at first. */
  const commented = (
    index: MarkedIndex,
    those: string,
    comment: string | null,
    reason: string,
    kind: Step['kind'],
  ): Step => ({
    ...base(index),
    kind,
    reason,
    hazards: [],
    statements: [
      ...begin(table, { ...context, lockTimeoutMs: 1 }),
      replaceComment('INDEX', `${those} AND pg_catalog.pg_has_role(c.relowner, 'USAGE')`, comment),
      'COMMIT',
    ],
  });
  const takeBack = (index: MarkedIndex, text: string | null, reason: string): Step =>
    commented(
      index,
      // Of that table, as it has another oid when it has been rebuilt.
      `c.oid IN (SELECT x.indexrelid FROM pg_catalog.pg_index AS x WHERE x.indrelid = ${index.table.oid}) AND ${isCommented(text)}`,
      userComment(text),
      reason,
      'discard',
    );
  const marker = (index: LeafIndex): ReindexMarker => ({
    tableOid: table.oid,
    choice: choiceText(choice),
    indexes: todo.map(({ oid }) => oid),
    startedAt: context.startedAt,
    by: context.role,
    runId: context.runId,
    comment: userComment(index.comment),
  });
  const marked = sameRun || last === undefined || todo.length < 2 ? null : last;
  const text = marked === null ? null : reindexText(marker(marked));
  const holder = marked ?? (sameRun ? found.holder : null);
  const others = elsewhere.filter(({ oid }) => !partitionOids.has(oid));
  const stale = markersOf([...indexes, ...others]).filter((noted) => noted.holder.oid !== holder?.oid);
  return {
    notes: [
      ...stale.map((noted) =>
        takeBack(noted.holder, noted.holder.comment, 'takes back the note of an earlier run'),
      ),
      ...(marked === null
        ? []
        : [
            commented(
              marked,
              `c.oid = ${marked.oid} AND ${isCommented(marked.comment)}`,
              text,
              `notes in the comment of the index ${marked.name} what is to be rebuilt, for a run that goes on`,
              'prepare',
            ),
          ]),
    ],
    units,
    discard,
    forget:
      holder === null
        ? null
        : takeBack(holder, text ?? holder.comment, 'all is rebuilt: the note is taken back'),
    outlook: outlook(todo, jobs),
    findings: [
      ...(sameRun && todo.length > 0
        ? [
            note(
              'info',
              `The run that began at ${found.marker.startedAt} was interrupted: it is gone on with, ${possible.length - todo.length} of ${possible.length} indexes have been rebuilt.`,
              'To begin anew, add --restart.',
              {
                startedAt: found.marker.startedAt,
                left: todo.length,
                rebuilt: possible.length - todo.length,
              },
            ),
          ]
        : []),
      ...(found !== null && !sameRun
        ? [
            note(
              'info',
              `An interrupted run that began at ${found.marker.startedAt}${restart ? '' : ' with another choice of indexes'} is given up: nothing of it is gone on with.`,
              restart ? 'Nothing to do.' : 'To go on with that one instead, give the same options as then.',
              { startedAt: found.marker.startedAt },
            ),
          ]
        : []),
      ...refused(asked.filter(({ exclusion }) => exclusion)),
    ],
  };
}
