import type { Moment } from './axis.ts';

/** A row of the application: its key and what else it says. */
export interface Row {
  readonly key: Moment;
  readonly payload: string;
}

/** A row as the database shows it. */
export interface Shown extends Row {
  readonly id: number;
}

interface Entry {
  readonly owner: number;
  /** As last acknowledged; null: not there. */
  row: Row | null;
  /** False once the answer to a COMMIT was lost: from then on either may be true. */
  certain: boolean;
  /** Counts every beginning and end of a change. */
  version: number;
  changing: boolean;
  /** When the transaction that wrote it was begun. */
  since: number;
}

/** A change of a row in a transaction that has not ended. */
export interface Change {
  readonly commit: () => void;
  readonly abandon: () => void;
  /** The server may have committed it or not. */
  readonly doubt: () => void;
}

/** What a reader may rely on: the rows as they were when he began. */
export type Frozen = ReadonlyMap<number, { readonly version: number; readonly row: Row | null }>;

/**
 * The rows as they must be, by what the server has acknowledged. Only its owner changes a row, so it is always known
 * whether it is being changed.
 */
export interface Model {
  readonly stage: (id: number, owner: number, row: Row | null) => Change;
  readonly row: (id: number) => Row | null;
  /** Rows the actor may change now. */
  readonly own: (actor: number) => readonly number[];
  readonly freeze: () => Frozen;
  /** Whether somebody has taken the row's partition out of the table by hand, or is doing so. */
  readonly isTaken: (id: number) => boolean;
  /** Rows of a partition that is taken out by hand; put back if that fails, gone with the table if it is dropped. */
  readonly take: (ids: readonly number[]) => { readonly putBack: () => void; readonly destroy: () => void };
  /** What is wrong with what a reader was shown. */
  readonly complaints: (
    frozen: Frozen,
    shown: readonly Shown[],
    mayBeGone: (id: number, row: Row, since: number) => boolean,
    taken?: 'ignored' | 'there',
  ) => string[];
  readonly size: () => number;
}

export function createModel(): Model {
  const entries = new Map<number, Entry>();
  const taken = new Set<number>();
  const destroyed = new Set<number>();

  const entryOf = (id: number, owner: number): Entry => {
    const known = entries.get(id);
    if (known !== undefined) return known;
    const entry: Entry = { owner, row: null, certain: true, version: 0, changing: false, since: 0 };
    entries.set(id, entry);
    return entry;
  };

  return {
    stage(id, owner, row) {
      const entry = entryOf(id, owner);
      const began = performance.now();
      const end = (settle: () => void) => () => {
        settle();
        entry.version++;
        entry.changing = false;
      };
      entry.version++;
      entry.changing = true;
      return {
        commit: end(() => {
          entry.row = row;
          entry.since = began;
        }),
        abandon: end(() => undefined),
        doubt: end(() => {
          entry.certain = false;
        }),
      };
    },
    row: (id) => entries.get(id)?.row ?? null,
    own: (actor) =>
      [...entries].flatMap(([id, { owner, row, changing, certain }]) =>
        owner === actor && row !== null && !changing && certain && !taken.has(id) ? [id] : [],
      ),
    freeze: () =>
      new Map(
        [...entries].flatMap(([id, { row, version, changing, certain }]) =>
          changing || !certain ? [] : [[id, { row, version }] as const],
        ),
      ),
    isTaken: (id) => taken.has(id),
    take(ids) {
      for (const id of ids) taken.add(id);
      return {
        putBack: () => {
          for (const id of ids) taken.delete(id);
        },
        destroy: () => {
          for (const id of ids) destroyed.add(id);
        },
      };
    },
    complaints(frozen, shown, mayBeGone, ofTaken = 'ignored') {
      const complaints: string[] = [];
      const found = new Map<number, Shown>();
      for (const row of shown) {
        if (found.has(row.id)) complaints.push(`row ${row.id} is there twice`);
        found.set(row.id, row);
        if (!entries.has(row.id)) complaints.push(`nobody has written row ${row.id}`);
      }
      for (const [id, { row, version }] of frozen) {
        const entry = entries.get(id);
        if (entry?.version !== version || destroyed.has(id)) continue;
        if (ofTaken === 'ignored' && taken.has(id)) continue;
        const there = found.get(id);
        const wanted = JSON.stringify(row);
        if (row === null) {
          if (there !== undefined) complaints.push(`row ${id} was deleted and is there`);
        } else if (there === undefined) {
          if (!mayBeGone(id, row, entry.since)) complaints.push(`row ${id} is missing: ${wanted}`);
        } else if (there.key !== row.key || there.payload !== row.payload) {
          complaints.push(`row ${id} is not ${wanted} but ${JSON.stringify(there)}`);
        }
      }
      return complaints;
    },
    size: () => entries.size,
  };
}
