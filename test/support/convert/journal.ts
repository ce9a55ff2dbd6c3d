import { type RowTexts, rowsDifference } from './contents.ts';

/** What a client did, as far as the server has acknowledged it. */
export interface Journal {
  /** The ids of the rows there have to be, in the order of their making. */
  readonly ids: () => string[];
  /** A row there has to be. */
  readonly row: (id: string) => RowTexts;
  /** The ids of all rows that were ever inserted. */
  readonly inserted: () => string[];
  /** How many changes were noted. */
  readonly turns: () => number;
  /** To be called once a statement or a transaction has ended well: the row as it is now, or null if it was deleted. */
  readonly note: (id: string, row: RowTexts | null) => void;
  /** How the rows found differ from those there have to be, one line each. */
  readonly difference: (columns: readonly string[], found: readonly RowTexts[]) => string[];
}

export function createJournal(): Journal {
  const state = new Map<string, RowTexts | null>();
  let turns = 0;
  return {
    ids: () => [...state].flatMap(([id, row]) => (row === null ? [] : [id])),
    row: (id) => {
      const row = state.get(id);
      if (row === undefined || row === null) throw new Error(`There is no row ${id} in the journal.`);
      return row;
    },
    inserted: () => [...state.keys()],
    turns: () => turns,
    note: (id, row) => {
      turns++;
      state.set(id, row);
    },
    difference: (columns, found) =>
      rowsDifference(
        columns,
        [...state.values()].filter((row) => row !== null),
        found,
      ),
  };
}
