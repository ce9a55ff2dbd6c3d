import { createHash } from 'node:crypto';
import { displayName, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { MIRROR } from '../../partition/names.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import {
  begin,
  doBlock,
  lockNeed,
  lockTable,
  nameOf,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { TRUNCATE } from '../names.ts';
import { applyChanges, catchUp, noChangeLeft } from './changes.ts';
import {
  bringUpToDate,
  changesOf,
  forFormat,
  hasRoom,
  identityList,
  lockable,
  mirrorOf,
  type Pair,
  sameRow,
} from './pair.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/** Stands in the function for the transaction from which on the target is complete. */
const SINCE = '{since}';

const note = (pair: Pair, of: string): string =>
  `INSERT INTO ${changesOf(pair)} (${identityList(pair)}) VALUES (${identityList(pair, of)});`;

/** What is to be done about a row as it was and as it is; a change of what tells it apart makes it two. */
const forBoth = (pair: Pair, act: (of: string) => string): string => `
  IF TG_OP <> 'INSERT' THEN ${act('OLD')}
  END IF;
  IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NOT (${sameRow(pair, 'NEW', 'OLD')}) THEN ${act('NEW')}
  END IF;
  RETURN NULL;`;

/** While the target is being made, changes are only noted, which no statement of the application feels. */
const noting = (pair: Pair): string => `
BEGIN
  IF TG_OP = 'TRUNCATE' THEN INSERT INTO ${changesOf(pair)} DEFAULT VALUES; RETURN NULL; END IF;${forBoth(pair, (of) => note(pair, of))}
END`;

/**
 * Once it is complete, the target follows in the same transaction. It takes over the row as it stands, so the order
 * in which triggers fire makes no difference. A transaction whose snapshot is older than the target's completion
 * would not see what it has to replace: its changes are noted. So are those of one that keeps its snapshot where, by
 * that, a change of the row was still to be taken over: that may have been done since, out of its sight.
 */
const following = (pair: Pair): string => `
BEGIN
  IF TG_OP = 'TRUNCATE' THEN TRUNCATE ${nameOf(pair.target)}; RETURN NULL; END IF;
  IF NOT pg_visible_in_snapshot('${SINCE}', pg_current_snapshot()) THEN${forBoth(pair, (of) => note(pair, of))}
  END IF;${forBoth(
    pair,
    (of) => `
  IF ${hasRoom(pair, of)} AND (current_setting('transaction_isolation') = 'read committed' OR NOT EXISTS (SELECT FROM ${changesOf(pair)} AS l WHERE ${sameRow(pair, 'l', of)})) THEN${bringUpToDate(pair, of)}
  ELSE
    ${note(pair, of)}
  END IF;`,
  )}
END`;

/** Acts with the rights of the table's owner, whoever writes to the table, and by names nobody can redirect. */
const functionSql = (pair: Pair, create: 'CREATE' | 'CREATE OR REPLACE', body: string): string =>
  `${create} FUNCTION ${mirrorOf(pair)}() RETURNS pg_catalog.trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS ${quoteLiteral(body)}`;

/**
 * The function while the target is being made; one that is there already is somebody else's. Nobody else is to call it
 * from a trigger of his own.
 */
export const notingFunction = (pair: Pair): string[] => [
  functionSql(pair, 'CREATE', noting(pair)),
  `REVOKE ALL ON FUNCTION ${mirrorOf(pair)}() FROM PUBLIC`,
];

/** The function that has the target follow, but for the transaction since when. */
const followingText = (pair: Pair): string => functionSql(pair, 'CREATE OR REPLACE', following(pair));

/** Stands in the comment on the function: another one is due when the room, a column or a name has changed. */
export const followingDigest = (pair: Pair): string =>
  createHash('md5').update(followingText(pair)).digest('hex');

/** Has the target follow from this transaction on. */
export const followingFunction = (pair: Pair): string =>
  doBlock(`
BEGIN
  EXECUTE pg_catalog.replace(${quoteLiteral(followingText(pair))}, '${SINCE}', pg_catalog.pg_current_xact_id()::pg_catalog.text);
END`);

/** The comment on the function: since which transaction, this one, the target has had all there is. */
export const completeSince = (pair: Pair): string =>
  doBlock(`
BEGIN
  EXECUTE pg_catalog.format(${quoteLiteral(`${forFormat(`COMMENT ON FUNCTION ${mirrorOf(pair)}() IS `)}%L`)}, pg_catalog.json_build_object('partition-keeper-mirror',
    pg_catalog.json_build_object('since', pg_catalog.pg_current_xact_id()::pg_catalog.text, 'follows', ${quoteLiteral(followingDigest(pair))})));
END`);

/** Also where another database is replicated from, and where replication writes. */
export const triggersSql = (pair: Pair, table: string): string[] => [
  `CREATE TRIGGER ${quoteIdentifier(MIRROR)} AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${mirrorOf(pair)}()`,
  `CREATE TRIGGER ${quoteIdentifier(TRUNCATE)} AFTER TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION ${mirrorOf(pair)}()`,
  `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${quoteIdentifier(MIRROR)}`,
  `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${quoteIdentifier(TRUNCATE)}`,
];

export const dropTriggersSql = (table: string): string[] =>
  [MIRROR, TRUNCATE].map((name) => `DROP TRIGGER IF EXISTS ${quoteIdentifier(name)} ON ${table}`);

/** From here on no change of the table is missed. Writers wait for the moment it takes, readers do not. */
export function captureStep(pair: Pair, context: StatementContext): Step {
  const { source } = pair;
  return {
    kind: 'capture',
    partition: displayName(source.schema, source.name),
    partitionOid: source.oid,
    range: EVERYWHERE,
    reason: 'triggers that note which rows are changed while they are copied',
    hazards: [
      `a SHARE ROW EXCLUSIVE lock on ${displayName(source.schema, source.name)} for a moment`,
      'each changed row costs another, small one',
    ],
    locks: [lockNeed(source, 'ShareRowExclusiveLock')],
    statements: [
      ...begin(source, context),
      UNDER_LOCK_TIMEOUT,
      ...triggersSql(pair, nameOf(source)),
      'COMMIT',
    ],
  };
}

/** How many changes are taken over while writers wait. */
export const LAST_CHANGES = 200;

/**
 * Takes over the last changes while writers wait for a moment, and lets the target follow from there on. What has been
 * changed by then is taken over first, before anybody waits. Repeated until none is left.
 * @param follows whether it does already: to have it begin anew, those who have waited would only note their changes
 */
export function mirrorStep(pair: Pair, follows: boolean, context: StatementContext): Step {
  const { source, target } = pair;
  return {
    kind: 'mirror',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: EVERYWHERE,
    reason: `takes over what has just been changed, and follows ${displayName(source.schema, source.name)} from then on`,
    hazards: [`a SHARE ROW EXCLUSIVE lock on ${displayName(source.schema, source.name)} for a moment`],
    locks: [lockNeed(source, 'ShareRowExclusiveLock')],
    statements: [
      ...(follows ? [] : catchUp(pair, context)),
      ...begin(source, context),
      UNDER_LOCK_TIMEOUT,
      ...lockTable(lockable(pair), 'SHARE ROW EXCLUSIVE'),
      applyChanges(pair, LAST_CHANGES),
      ...(follows ? [] : [followingFunction(pair)]),
      completeSince(pair),
      'COMMIT',
    ],
    progress: [...begin(source, context), noChangeLeft(pair), 'COMMIT'],
  };
}
