import pg from 'pg';
import { expect } from 'vitest';
import type { ConnectOptions, TestDatabase } from '../database.ts';
import { startTraffic, type Traffic } from '../traffic.ts';
import { type Client, clients } from './clients.ts';
import { columnsOf, type RowTexts, rowTexts, shortened } from './contents.ts';
import { createJournal, type Journal } from './journal.ts';
import type { RichTable } from './rich-table.ts';

/** The application at work on the table, and what it was told of its rows. */
export interface Application extends Traffic {
  readonly journals: Readonly<Record<Client, Journal>>;
  /**
   * Stops the clients, and tells in what their rows are not as acknowledged: lost, doubled, changed, not expected;
   * ids given twice; triggers that fired not once for each insert. One line each, at most a few.
   * @param relation as statements name it: the table unless given
   */
  readonly damage: (relation?: string) => Promise<string[]>;
  /** Expects that there is no damage, and that no statement has failed. */
  readonly expectNothingLost: (relation?: string) => Promise<void>;
}

/** Those whose rows are inserted once and never move, so that the trigger has fired once for each. */
const AUDITED: readonly Client[] = ['inserter', 'deleter', 'transactions', 'conflicts', 'copier'];

/** Starts the application on the table, and returns when each client has done its work a few times. */
export async function startApplication(database: TestDatabase, table: RichTable): Promise<Application> {
  const columns = await columnsOf(database, table.names.table);
  const journals: Readonly<Record<Client, Journal>> = {
    inserter: createJournal(),
    updater: createJournal(),
    deleter: createJournal(),
    transactions: createJournal(),
    conflicts: createJournal(),
    copier: createJournal(),
    reader: createJournal(),
  };
  // COPY is not for those who are subject to row level security.
  const roles: Readonly<Record<string, ConnectOptions>> = {
    copier: { role: table.owner },
    reader: { role: table.reader },
  };
  const traffic = await startTraffic(
    database,
    clients(table, columns, journals),
    (client) => roles[client] ?? { role: table.writer },
  );

  const rowsOf = async (client: string, relation: string): Promise<RowTexts[]> => {
    const rows = await database.query<{ texts: RowTexts }>(
      `SELECT ${rowTexts(columns)} AS texts FROM ${relation} WHERE tenant = ${pg.escapeLiteral(`client ${client}`)}`,
    );
    return rows.map(({ texts }) => texts);
  };
  const damage = async (relation = table.names.table): Promise<string[]> => {
    await traffic.stop();
    const lines: string[] = [];
    for (const [client, journal] of Object.entries(journals)) {
      const different = journal.difference(columns, await rowsOf(client, relation));
      lines.push(...different.map((line) => `${client}: ${line}`));
    }
    const twice = await database.query<{ id: string }>(
      `SELECT id FROM ${relation} GROUP BY id HAVING count(*) > 1`,
    );
    lines.push(...twice.map(({ id }) => `id ${id} was given more than once`));
    const audited = AUDITED.flatMap((client) => journals[client].inserted());
    const wrong = await database.query<{ id: string; fired: number }>(
      `SELECT i.id, count(a.event)::int AS fired FROM unnest($1::bigint[]) AS i(id)
       LEFT JOIN ${table.names.inSchema('audit')} AS a ON a.event = i.id AND a.operation = 'row INSERT'
       GROUP BY i.id HAVING count(a.event) <> 1 ORDER BY i.id`,
      [audited],
    );
    lines.push(...wrong.map(({ id, fired }) => `id ${id}: the trigger of its insert fired ${fired} times`));
    return shortened(lines);
  };
  return {
    ...traffic,
    journals,
    damage,
    expectNothingLost: async (relation) => {
      const lines = await damage(relation);
      expect({ damage: lines, failures: shortened(traffic.failures) }).toEqual({ damage: [], failures: [] });
    },
  };
}
