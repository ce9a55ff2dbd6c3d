import type { Run, Work } from '../traffic.ts';
import { type RowTexts, rowTexts } from './contents.ts';
import type { Journal } from './journal.ts';
import { keyAround, type RichTable } from './rich-table.ts';

export type Client = 'inserter' | 'updater' | 'deleter' | 'transactions' | 'conflicts' | 'copier' | 'reader';

interface Returned {
  readonly id: string;
  readonly texts: RowTexts;
}

/** How far from now the keys of new rows are, by round: mostly now, some late, some slightly in the future. */
function offsetOf(round: number): string {
  if (round % 10 === 3) return '-1 day';
  if (round % 10 === 6) return '-10 minutes';
  return round % 10 === 9 ? '5 minutes' : '0';
}

/** About 20 kB that differ in every round: stored out of line, and not compressed. */
const longValue = (round: number): Buffer => Buffer.alloc(20_000, `round ${round};`);

/** What the clients do again and again; each has rows of its own, told by their tenant. */
export function clients(
  table: RichTable,
  columns: readonly string[],
  journals: Readonly<Record<Client, Journal>>,
): Record<Client, Work> {
  const { table: name, key, keyType, inSchema } = table.names;
  const returning = `id::text AS id, ${rowTexts(columns)} AS texts`;
  const at = (column: string): number => columns.indexOf(column);
  const insert = `INSERT INTO ${name} (tenant, external_ref, ${key}, user_id, amount, body, tags, payload)
    VALUES ($1, $2, ${keyAround(table.names, '$3::interval')}, $4, 1.50, $5, '{a,NULL}', '{"list": [1, null]}')
    RETURNING ${returning}`;

  /** The row that a statement says it has left. */
  const one = async (run: Run, ...statement: Parameters<Run>): Promise<Returned> => {
    const { rows } = await run(...statement);
    if (rows.length !== 1) throw new Error(`${rows.length} rows instead of one`);
    return rows[0] as Returned;
  };
  const insertOne = (
    run: Run,
    client: Client,
    round: number,
    user: string | null = null,
  ): Promise<Returned> =>
    one(run, { name: 'insert', text: insert }, [
      `client ${client}`,
      `${client} ${round}`,
      offsetOf(round),
      user,
      round % 4 === 0 ? longValue(round) : null,
    ]);
  const keep = async (client: Client, change: Promise<Returned>): Promise<void> => {
    const { id, texts } = await change;
    journals[client].note(id, texts);
  };

  const updates = [
    'amount = coalesce(amount, 0) + 0.01',
    `${key} = ${keyAround(table.names, "interval '-1 day'")}`,
    'body = $2',
    "tags = tags || '{x}'",
    `${key} = ${keyAround(table.names)}`,
  ];
  const updateOne = async (run: Run, round: number): Promise<Returned> => {
    const journal = journals.updater;
    const ids = journal.ids();
    const id = ids[round % ids.length] ?? '';
    const kind = round % updates.length;
    const text = `UPDATE ${name} SET ${updates[kind]} WHERE id = $1 RETURNING ${returning}`;
    const params = updates[kind]?.includes('$2') ? [id, longValue(round)] : [id];
    const changed = await one(run, { name: `update ${kind}`, text }, params);
    const [was, is] = [journal.row(id), changed.texts].map((row) => Number(row[at('revision')]));
    // The journal has what the server did; so a trigger that fired twice has to be noticed here.
    journal.note(id, changed.texts);
    if (is !== (was ?? 0) + 1) throw new Error(`revision ${is} of id ${id} follows ${was}`);
    return changed;
  };

  return {
    inserter: (run, round) => keep('inserter', insertOne(run, 'inserter', round)),

    updater: async (run, round) => {
      if (journals.updater.ids().length < 7) await keep('updater', insertOne(run, 'updater', round));
      await updateOne(run, round);
    },

    deleter: async (run, round) => {
      await keep('deleter', insertOne(run, 'deleter', round));
      const [oldest = '', ...others] = journals.deleter.ids();
      if (others.length < 3) return;
      const { id } = await one(
        run,
        { name: 'delete', text: `DELETE FROM ${name} WHERE id = $1 RETURNING ${returning}` },
        [oldest],
      );
      journals.deleter.note(id, null);
    },

    transactions: async (run, round) => {
      await run('BEGIN');
      const user = await one(
        run,
        `INSERT INTO ${inSchema('users')} (name) VALUES ('new') RETURNING id::text AS id`,
      );
      await run(`UPDATE ${inSchema('users')} SET seen_at = clock_timestamp() WHERE id = $1`, [user.id]);
      const event = await insertOne(run, 'transactions', round, user.id);
      if (round % 6 === 5) {
        await run('ROLLBACK');
        return;
      }
      await run('COMMIT');
      journals.transactions.note(event.id, event.texts);
      if (round % 4 !== 2) return;
      // The foreign key takes the user away from the event.
      await run('BEGIN');
      await run(`DELETE FROM ${inSchema('users')} WHERE id = $1`, [user.id]);
      const left = await one(run, `SELECT ${returning} FROM ${name} WHERE id = $1`, [event.id]);
      await run('COMMIT');
      journals.transactions.note(left.id, left.texts);
      if (left.texts[at('user_id')] !== null) throw new Error(`id ${left.id} still has its user`);
    },

    conflicts: async (run, round) => {
      const added = await insertOne(run, 'conflicts', round);
      journals.conflicts.note(added.id, added.texts);
      const { rows } = await run(
        {
          name: 'again',
          text: `INSERT INTO ${name} (tenant, external_ref, ${key}) VALUES ('client conflicts', $1, $2::${keyType})
                 ON CONFLICT DO NOTHING RETURNING ${returning}`,
        },
        [added.texts[at('external_ref')], added.texts[at(table.key)]],
      );
      if (rows.length > 0) throw new Error(`there are two of ${added.texts[at('external_ref')]}`);
    },

    copier: async (run, round) => {
      const references = [0, 1, 2].map((line) => `copy ${round}-${line}`);
      const data = references
        .map((reference) => `client copier\t${reference}\t\\N\t{"a\\\\"b",NULL}\n`)
        .join('');
      await run('BEGIN');
      await run({ text: `COPY ${name} (tenant, external_ref, note, tags) FROM STDIN`, data });
      const { rows } = await run(`SELECT ${returning} FROM ${name} WHERE external_ref = ANY ($1)`, [
        references,
      ]);
      await run('COMMIT');
      for (const { id, texts } of rows as Returned[]) journals.copier.note(id, texts);
      if (rows.length !== references.length)
        throw new Error(`${rows.length} rows of ${references.length} copied`);
    },

    reader: async (run) => {
      const least = journals.inserter.ids().length;
      const { rows } = await run({
        name: 'read',
        text: `SELECT count(*)::int AS seen FROM ${inSchema('recent events')} WHERE lower(tenant) = 'client inserter'`,
      });
      const { seen } = rows[0] as { readonly seen: number };
      if (seen < least) throw new Error(`${seen} rows seen of ${least} acknowledged`);
      await run(`SELECT id, ${key}, tenant FROM ${name} ORDER BY ${key} DESC NULLS LAST LIMIT 5`);
    },
  };
}
