import { setTimeout as delay } from 'node:timers/promises';
import { type Command, KEEP, type Write } from './actions.ts';
import type { Moment } from './axis.ts';
import type { Change, Shown } from './model.ts';
import type { Answer, Session } from './session.ts';
import type { World } from './world.ts';

/** Whether retention protects the key no longer. */
export const isExpired = ({ axis }: World, key: Moment): boolean => key < axis.before(Date.now(), KEEP);

/** An actor of the application: it takes weak locks only, and must never fail for the sake of others. */
export interface Actor {
  readonly number: number;
  readonly session: Session;
  readonly nextId: () => number;
}

/**
 * Which failures of the application are nobody's fault:
 * 23514 where its key has no partition, by the model: never was one, expired, or taken away by hand;
 * 42P01 while somebody has renamed the table by hand.
 * Anything else, above all a lock timeout (55P03), a deadlock (40P01) or a cancellation (57014), is a defect.
 */
function judge(
  world: World,
  who: string,
  sql: string,
  answer: Answer,
  began: number,
  keys: readonly Moment[],
): void {
  if (answer.ok) return;
  const { coverage, journal } = world;
  journal.count(`application: ${answer.code}`);
  const lacking = (key: Moment) => isExpired(world, key) || coverage.mayLack(key, began);
  if (answer.code === '23514' && !world.setting.defaultPartition && keys.some(lacking)) return;
  if (answer.code === '42P01' && journal.wasDisturbed(began, 'rename parent')) return;
  journal.complain(
    who,
    `${answer.code} ${answer.message}: ${sql} ${keys.map((key) => new Date(key).toISOString())}`,
  );
}

interface Written {
  readonly ok: boolean;
  readonly changes: readonly Change[];
}

const NOTHING: Written = { ok: true, changes: [] };

async function insert(
  world: World,
  actor: Actor,
  write: Extract<Write, { kind: 'insert' }>,
): Promise<Written> {
  const { axis, model } = world;
  const rows = Array.from({ length: write.rows }, (_, index) => {
    const id = actor.nextId();
    return {
      id,
      key: axis.key(write.into, (write.tenth + index) % 10),
      payload: `${actor.session.who} ${id}`,
    };
  });
  const changes = rows.map(({ id, key, payload }) => model.stage(id, actor.number, { key, payload }));
  const began = performance.now();
  const values = rows.map(
    (_, index) => `($${index * 3 + 1}, $${index * 3 + 2}, ${actor.number + 1}, $${index * 3 + 3})`,
  );
  const sql = `INSERT INTO app.events (id, at, account, payload) VALUES ${values.join(', ')}`;
  const answer = await actor.session.run(
    sql,
    rows.flatMap(({ id, key, payload }) => [id, axis.text(key), payload]),
  );
  judge(
    world,
    actor.session.who,
    'INSERT',
    answer,
    began,
    rows.map(({ key }) => key),
  );
  if (!answer.ok) for (const change of changes) change.abandon();
  return answer.ok ? { ok: true, changes } : { ok: false, changes: [] };
}

/** UPDATE or DELETE of a row of the actor's own, which nobody else changes: it must be there. */
async function change(
  world: World,
  actor: Actor,
  write: Exclude<Write, { kind: 'insert' }>,
): Promise<Written> {
  const { axis, model, journal } = world;
  const own = model.own(actor.number);
  const id = own[write.row % Math.max(1, own.length)];
  const row = id === undefined ? null : model.row(id);
  if (id === undefined || row === null) return NOTHING;
  const payload = `${actor.session.who} again ${actor.nextId()}`;
  const to = write.kind === 'update' && write.to !== null ? axis.key(write.to, write.row % 10) : row.key;
  const staged = model.stage(id, actor.number, write.kind === 'delete' ? null : { key: to, payload });
  const began = performance.now();
  const answer = await (write.kind === 'delete'
    ? actor.session.run('DELETE FROM app.events WHERE id = $1', [id])
    : write.byKey
      ? actor.session.run('UPDATE app.events SET at = $3, payload = $4 WHERE id = $1 AND at = $2', [
          id,
          axis.text(row.key),
          axis.text(to),
          payload,
        ])
      : actor.session.run('UPDATE app.events SET at = $2, payload = $3 WHERE id = $1', [
          id,
          axis.text(to),
          payload,
        ]));
  judge(world, actor.session.who, write.kind, answer, began, [to]);
  if (answer.ok && answer.count === 1) return { ok: true, changes: [staged] };
  staged.abandon();
  if (answer.ok && !model.isTaken(id) && !isExpired(world, row.key))
    journal.complain(
      actor.session.who,
      `${write.kind} of row ${id} (${JSON.stringify(row)}) found ${answer.count} rows`,
    );
  return { ok: answer.ok, changes: [] };
}

const write = (world: World, actor: Actor, command: Write): Promise<Written> =>
  command.kind === 'insert' ? insert(world, actor, command) : change(world, actor, command);

async function transaction(
  world: World,
  actor: Actor,
  command: Extract<Command, { kind: 'transaction' }>,
): Promise<void> {
  const { session } = actor;
  const changes: Change[] = [];
  let ok = (await session.run('BEGIN')).ok;
  // First the referenced table, then those that refer to it: the one order in which the application takes its locks.
  if (ok && command.account)
    ok = (
      await session.run('UPDATE app.accounts SET changed = changed + 1 WHERE id = $1', [actor.number + 1])
    ).ok;
  for (const one of command.writes) {
    if (!ok) break;
    const written = await write(world, actor, one);
    ok = written.ok;
    changes.push(...written.changes);
    await delay(command.pause);
  }
  if (!ok || !command.commits) {
    await session.run('ROLLBACK');
    for (const staged of changes) staged.abandon();
    return;
  }
  const answer = await session.run('COMMIT');
  for (const staged of changes) answer.ok ? staged.commit() : staged.doubt();
  if (!answer.ok) world.journal.complain(session.who, `COMMIT: ${answer.code}`);
}

const shown = (rows: readonly Record<string, unknown>[]): Shown[] =>
  rows.map(({ id, key, payload }) => ({ id: Number(id), key: Number(key), payload: String(payload) }));

/** A report: one snapshot, a cursor that stays open for a while. What it shows is compared with what must be there. */
export async function read(world: World, session: Session, hold: number): Promise<void> {
  const { axis, model, journal } = world;
  const frozen = model.freeze();
  const began = performance.now();
  await session.run('BEGIN ISOLATION LEVEL REPEATABLE READ');
  const declared = await session.run(
    `DECLARE report CURSOR FOR SELECT id, ${axis.sql} AS key, payload FROM app.events`,
  );
  judge(world, session.who, 'SELECT', declared, began, []);
  const first = declared.ok ? await session.run('FETCH 5 FROM report') : declared;
  if (first.ok) await delay(hold);
  const rest = first.ok ? await session.run('FETCH ALL FROM report') : first;
  if (declared.ok) judge(world, session.who, 'FETCH', rest, began, []);
  await session.run('ROLLBACK');
  if (!first.ok || !rest.ok) return;
  const rows = shown([...first.rows, ...rest.rows]);
  const wrong = model.complaints(frozen, rows, (_, { key }) => isExpired(world, key));
  for (const complaint of wrong) journal.complain(session.who, complaint);
  journal.count('snapshots compared');
}

/** As pg_dump does it: one snapshot, all tables locked, each of them read by itself. */
async function dump(world: World, session: Session, hold: number): Promise<void> {
  const { axis, model, journal } = world;
  const frozen = model.freeze();
  await session.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const listed = await session.run(
    "SELECT format('%I.%I', relnamespace::regnamespace, relname) AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname LIKE 'events%'",
  );
  const names = listed.ok ? listed.rows.map(({ name }) => String(name)) : [];
  // The parent first, as everybody does who locks more of it.
  const locked = await session.run(
    `LOCK TABLE ${['app.events', ...names].map((name) => `ONLY ${name}`).join(', ')} IN ACCESS SHARE MODE`,
  );
  const rows: Shown[] = [];
  // 42P01: a table was dropped after it had been listed. Dumps fail of it, whoever drops tables.
  if (!locked.ok && locked.code !== '42P01')
    journal.complain(session.who, `dump: ${locked.code} ${locked.message}`);
  if (locked.ok) {
    await delay(hold);
    for (const name of names) {
      const copied = await session.run(`SELECT id, ${axis.sql} AS key, payload FROM ONLY ${name}`);
      if (copied.ok) rows.push(...shown(copied.rows));
      else journal.complain(session.who, `dump of ${name}: ${copied.code} ${copied.message}`);
    }
    const wrong = model.complaints(frozen, rows, (_, { key }) => isExpired(world, key));
    for (const complaint of wrong) journal.complain(session.who, `in the dump: ${complaint}`);
    journal.count('dumps compared');
  }
  await session.run('ROLLBACK');
}

/** Everything an actor does through the table itself. */
export async function act(
  world: World,
  actor: Actor,
  command: Exclude<Command, { kind: 'by hand' }>,
): Promise<void> {
  world.journal.count(command.kind);
  switch (command.kind) {
    case 'transaction':
      return await transaction(world, actor, command);
    case 'read':
      return await read(world, actor.session, command.hold);
    case 'dump':
      return await dump(world, actor.session, command.hold);
    default: {
      const { changes } = await write(world, actor, command);
      for (const staged of changes) staged.commit();
    }
  }
}
