import type pg from 'pg';
import type { Temporal } from 'temporal-polyfill';
import { usageError } from '../errors.ts';
import { displayIdentifier, displayName } from '../partition/identifiers.ts';
import type { PartitionedTable } from '../partition/model.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { inspect } from '../postgres/inspect/inspect.ts';
import { type CopyState, readCopy } from './copy/state.ts';
import { inspectLegacy, type Unfit } from './inspect/inspect.ts';
import type { Keys, LegacyTable } from './model.ts';
import { parentName } from './names.ts';

/** What a plan is made of: the table as it is, and the one to be, as far as it is there. */
export interface Situation {
  readonly table: LegacyTable;
  /** The table with its partitions, where it has any. */
  readonly own: PartitionedTable | null;
  /** The partitioned table to be. */
  readonly parent: PartitionedTable | null;
  /** How far a copy is. */
  readonly copy: CopyState | null;
  readonly config: TableConfig;
  readonly now: Temporal.Instant;
}

const unfit = (config: TableConfig, found: Unfit) => {
  const name = displayName(config.schema, config.table);
  switch (found.reason) {
    case 'missing':
      return usageError(
        'table-missing',
        `There is no table ${name} in this database.`,
        'Check the database and the spelling (names are case-sensitive here).',
      );
    case 'no key column':
      return usageError(
        'wrong-key',
        `${name} has no column ${displayIdentifier(config.partitionKey)}, which the config says it is to be partitioned by.`,
        'Correct partitionKey in the config.',
      );
    case 'key type':
      return usageError(
        'wrong-key',
        `The column ${displayIdentifier(config.partitionKey)} of ${name} is of type ${found.type}; a partition key may be timestamptz, timestamp, date, or uuid with UUIDv7 values.`,
        'Choose another column as partitionKey, or change the type of this one.',
      );
  }
};

async function partitioned(
  client: pg.Client,
  config: TableConfig,
  table: string,
): Promise<PartitionedTable | null> {
  const [found] = await inspect(client, [{ ...config, table }]);
  return found !== undefined && 'table' in found ? found.table : null;
}

/**
 * The table as it is, and the one to be, as far as it is there.
 * @param known the keys, where they need not be looked for once more
 * @throws KeeperError when there is no such table, or it has no such key
 */
export async function lookAt(
  client: pg.Client,
  config: TableConfig,
  server: { readonly versionNumber: number },
  now: Temporal.Instant,
  known: Keys | null = null,
): Promise<Situation> {
  const table = await inspectLegacy(client, config, server.versionNumber, known);
  if ('reason' in table) throw unfit(config, table);
  return {
    table,
    own: table.kind === 'partitioned table' ? await partitioned(client, config, config.table) : null,
    parent: await partitioned(client, config, parentName(config.table)),
    copy: await readCopy(client, table, config, server.versionNumber),
    config,
    now,
  };
}
