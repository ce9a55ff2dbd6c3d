import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGED_VERSIONS } from '../../support/debian-packages.ts';
import { cached } from '../frame/cache.ts';
import { withClient } from '../frame/database.ts';
import { debianFolder } from '../frame/debian.ts';
import type { BenchOptions } from '../frame/model.ts';
import { mustRun } from '../frame/program.ts';
import { noProcess, type Peer, type PeerSource } from './peer.ts';

const RELEASE = '5.1.0';
const REPOSITORY = 'https://github.com/pgpartman/pg_partman';

export interface PartmanSource {
  readonly version: string;
  readonly sql: string;
}

async function fromRepository({ download }: BenchOptions): Promise<PartmanSource> {
  const folder = await cached('pg_partman', download, (empty) =>
    mustRun('git', ['clone', '--quiet', '--depth', '1', '--branch', `v${RELEASE}`, REPOSITORY, empty], {
      env: { GIT_TERMINAL_PROMPT: '0' },
    }),
  );
  const parts: string[] = [];
  for (const kind of ['types', 'tables', 'functions', 'procedures']) {
    const names = await readdir(join(folder, 'sql', kind));
    for (const name of names.toSorted()) parts.push(await readFile(join(folder, 'sql', kind, name), 'utf8'));
  }
  return { version: RELEASE, sql: parts.join('\n') };
}

/** The script that makes the version the extension has by default, wherever the package has put it. */
async function fromDebian({ download }: BenchOptions): Promise<PartmanSource> {
  const folder = await debianFolder('pg_partman-debian', download, (major) => [
    `postgresql-${major}-partman`,
  ]);
  for (const major of PACKAGED_VERSIONS) {
    const extensions = join(folder, 'usr', 'share', 'postgresql', String(major), 'extension');
    const control = await readFile(join(extensions, 'pg_partman.control'), 'utf8').catch(() => '');
    const version = /default_version = '([^']+)'/.exec(control)?.[1];
    if (version !== undefined)
      return { version, sql: await readFile(join(extensions, `pg_partman--${version}.sql`), 'utf8') };
  }
  throw new Error(`There is no pg_partman.control in ${folder}.`);
}

/**
 * The functions of the extension, without the extension around them, so that they can be loaded into any server.
 * What the extension machinery would read is left out.
 */
const plain = (sql: string): string =>
  `CREATE SCHEMA partman; ${sql
    .replaceAll('@extschema@', 'partman')
    .replaceAll(/^\s*SELECT pg_catalog\.pg_extension_config_dump\(.*$/gm, '')
    .replaceAll(/^\\.*$/gm, '')}`;

export async function partmanSource(options: BenchOptions): Promise<PartmanSource> {
  return await fromRepository(options).catch(() => fromDebian(options));
}

/** Loads the functions into a database that does not have them yet. */
export async function loadPartman(url: string, { sql }: PartmanSource): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query("SELECT 1 FROM pg_namespace WHERE nspname = 'partman'");
    if (rows.length > 0) return;
    await client.query('SET check_function_bodies = off');
    await client.query(plain(sql));
  });
}

/** How the release calls native partitioning by ranges. */
export const typeOf = ({ version }: PartmanSource): string => (version.startsWith('4.') ? 'native' : 'range');

const RENAME = `
  DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT c.oid::regclass AS partition, regexp_replace(c.relname, '_(\\d{4}_\\d\\d)$', '_p\\1') AS name
               FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE c.relkind = 'r' AND c.relname ~ '_\\d{4}_\\d\\d$' LOOP
      EXECUTE format('ALTER TABLE %s RENAME TO %I', one.partition, one.name);
    END LOOP;
  END $$`;

async function prepare(options: BenchOptions): Promise<Peer> {
  const source = await partmanSource(options);
  const type = typeOf(source);
  return {
    version: source.version,
    adopt: async (task) => {
      await loadPartman(task.url, source);
      await withClient(task.url, async (client) => {
        await client.query('DELETE FROM partman.part_config');
        // Before 5, it tells partitions by their names.
        if (type === 'native') await client.query(RENAME);
        for (const { schema, table, key } of task.tables) {
          await client.query(
            `INSERT INTO partman.part_config (parent_table, control, partition_interval, partition_type, premake,
               retention_keep_table, infinite_time_partitions, datetime_string, automatic_maintenance)
             VALUES ($1, $2, '1 mon', $3, $4, false, true, 'YYYY_MM', 'on')`,
            [`${schema}.${table}`, key, type, task.premake],
          );
        }
      });
    },
    create: ({ url }) =>
      noProcess(withClient(url, (client) => client.query('CALL partman.run_maintenance_proc()'))),
    // What its maintenance calls for retention, without the creating that it would do in the same transaction.
    cleanup: ({ url, tables, retention }) =>
      noProcess(
        withClient(url, async (client) => {
          for (const { schema, table } of tables) {
            await client.query('SELECT partman.drop_partition_time($1, $2)', [
              `${schema}.${table}`,
              `${retention} months`,
            ]);
          }
        }),
      ),
  };
}

export const pgPartman: PeerSource = { name: 'pg_partman', prepare };
