#!/usr/bin/env node
/**
 * Prisma's schema engine in WebAssembly, as a program that takes the place of the binary: `prisma migrate` starts it
 * and sends it a request per line. The engine is that of the same commit, from the package
 * `@prisma/schema-engine-wasm`; it reaches the database through the driver adapter.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

/** The type "char" of the catalogs, which the engine asks for and the adapter does not know; and text. */
const CHAR = 18;
const TEXT = 25;

type Query = (config: pg.QueryArrayConfig) => Promise<pg.QueryArrayResult>;

/**
 * The adapter for the engine. Beyond what the client needs, it knows the type "char", and sends a migration as a
 * whole: cut at each semicolon, as the adapter does it, functions and comments would fall apart.
 */
async function open(connectionString: string, afterwards = async () => {}): Promise<SqlDriverAdapter> {
  const pool = new pg.Pool({ connectionString });
  const query: Query = pool.query.bind(pool);
  /** The columns of type "char", by the rows they were found in. */
  const characters = new WeakMap<object, readonly number[]>();
  const withTexts: Query = async (config) => {
    const result = await query(config);
    if (Array.isArray(result.rows)) {
      const found = result.fields.flatMap(({ dataTypeID }, index) => (dataTypeID === CHAR ? [index] : []));
      for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
      characters.set(result.rows, found);
    }
    return result;
  };
  Object.assign(pool, { query: withTexts });

  const adapter = await new PrismaPg(pool, { disposeExternalPool: true }).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  const dispose = adapter.dispose.bind(adapter);
  return Object.assign(adapter, {
    queryRaw: async (...args: Parameters<typeof queryRaw>) => {
      const result = await queryRaw(...args);
      for (const index of characters.get(result.rows) ?? [])
        result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    },
    executeScript: async (sql: string) => {
      await adapter.executeRaw({ sql, args: [], argTypes: [] });
    },
    dispose: async () => {
      await dispose();
      await afterwards();
    },
  });
}

/** Makes an empty database, where the engine tries migrations out; it is dropped when the engine lets go of it. */
async function openShadow(url: string): Promise<SqlDriverAdapter> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const name = `prisma_migrate_shadow_db_${randomUUID()}`;
  await admin.query(`CREATE DATABASE "${name}" TEMPLATE template0`);
  const shadow = new URL(url);
  shadow.pathname = `/${name}`;
  return await open(shadow.href, async () => {
    await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    await admin.end();
  });
}

/** @param schemas paths of the files of the Prisma schema, which say what PostgreSQL schemas there are */
async function start(url: string, schemas: readonly string[]): Promise<bindings.SchemaEngine> {
  const file = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm'));
  const { instance } = await WebAssembly.instantiate(await readFile(file), {
    './schema_engine_bg.js': bindings as unknown as WebAssembly.ModuleImports,
  });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
  const adapter = bindMigrationAwareSqlAdapterFactory({
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => open(url),
    connectToShadowDb: () => openShadow(url),
  });
  const datamodels = await Promise.all(
    schemas.map(async (path): Promise<[string, string]> => [path, await readFile(path, 'utf8')]),
  );
  return await bindings.SchemaEngine.new(
    { datamodels: datamodels.length === 0 ? undefined : datamodels },
    () => {},
    adapter,
  );
}

const problem = (error: unknown): { readonly message: string; readonly code?: string } =>
  error instanceof Error ? error : { message: String(error) };

/** Answers `schema-engine cli can-connect-to-database`, with which Prisma begins. */
async function tryConnection(starting: Promise<bindings.SchemaEngine>, url: string): Promise<number> {
  try {
    const engine = await starting;
    await engine.ensureConnectionValidity({ datasource: { tag: 'ConnectionString', url } });
    return 0;
  } catch (error) {
    const { message, code = 'P1001' } = problem(error);
    const fields = { error_code: code, message };
    // Prisma leaves the first line out.
    process.stderr.write(`\n${JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields })}`);
    return 1;
  }
}

interface Request {
  readonly id: number;
  /** Absent in an answer to a request of ours. */
  readonly method?: string;
  readonly params?: unknown;
}

type Method = (
  this: bindings.SchemaEngine,
  params: unknown,
) => Promise<{ readonly stdout?: string } | undefined>;

const send = (message: object): boolean =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

async function answer(engine: bindings.SchemaEngine, { id, method = '', params }: Request): Promise<void> {
  const name = method === 'getDatabaseVersion' ? 'version' : method;
  const run = (engine as unknown as Readonly<Record<string, Method | undefined>>)[name];
  try {
    if (run === undefined) throw new Error(`The engine in WebAssembly has no ${method}.`);
    const result = await run.call(engine, params);
    // The binary asks Prisma to print; the engine in WebAssembly returns what is to be printed.
    if (result?.stdout) send({ id: 'print', method: 'print', params: { content: result.stdout } });
    send({ id, result: result ?? null });
  } catch (error) {
    const { message, code } = problem(error);
    send({ id, error: { code: 4466, message, data: { is_panic: false, message, error_code: code } } });
  }
}

const { values, positionals } = parseArgs({
  options: { datamodels: { type: 'string', multiple: true, default: [] }, datasource: { type: 'string' } },
  allowPositionals: true,
  strict: false,
});
const { url } = JSON.parse(String(values.datasource));
// Where the engine leaves the reason before it gives up.
Object.assign(globalThis, {
  PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => process.stderr.write(`${message}\n`) },
});
const starting = start(url, (values.datamodels as string[]) ?? []);
if (positionals.includes('can-connect-to-database')) process.exit(await tryConnection(starting, url));
const engine = await starting;
for await (const line of createInterface({ input: process.stdin })) {
  const request: Request = JSON.parse(line);
  if (request.method !== undefined) await answer(engine, request);
}
process.exit(0);
