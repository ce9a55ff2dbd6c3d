import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliOptions, type CliResult, runCli } from '../../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { configFile } from '../../support/keeper.ts';
import { hold } from '../../support/traffic.ts';
import { runThatWaits } from '../../support/transactions.ts';

const PASSWORD = `s3cr"e't%$\\ :@/ß`;
const encoded = encodeURIComponent(PASSWORD);
/** As the password may appear: as it is, in a URL, within JSON, in a header. */
const FORMS = [
  PASSWORD,
  encoded,
  JSON.stringify(PASSWORD).slice(1, -1),
  Buffer.from(PASSWORD).toString('base64'),
];

let database: TestDatabase;
let user: string;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  user = (await database.createRole({ attributes: 'SUPERUSER' })).name;
  await database.query(`ALTER ROLE ${user} PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
  await database.query(`
    CREATE SCHEMA app; CREATE TABLE app.accounts (id int PRIMARY KEY);
    CREATE TABLE app.events (at timestamptz NOT NULL, account int REFERENCES app.accounts) PARTITION BY RANGE (at)`);
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-secrets-'));
  const passfile = PASSWORD.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
  await writeFile(join(folder, 'pgpass'), `*:*:*:${user}:${passfile}\n`, { mode: 0o600 });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await database.drop();
});

const urlWith = (change: (url: URL) => void): string => {
  const url = new URL(database.url);
  url.username = user;
  url.password = encoded;
  change(url);
  return url.href;
};

/** The ways to give a password that others on the machine cannot see. */
const WAYS: Readonly<Record<string, () => CliOptions>> = {
  DATABASE_URL: () => ({ url: urlWith(() => {}) }),
  PGPASSWORD: () => ({
    url: urlWith((url) => {
      url.password = '';
    }),
    env: { PGPASSWORD: PASSWORD },
  }),
  PGPASSFILE: () => ({
    url: urlWith((url) => {
      url.password = '';
    }),
    env: { PGPASSFILE: join(folder, 'pgpass') },
  }),
};

function expectSilence(...texts: readonly string[]): void {
  for (const text of texts) for (const form of FORMS) expect(text).not.toContain(form);
}

const expectSilent = ({ stdout, stderr }: CliResult): void => expectSilence(stdout, stderr);

/** The command lines of all processes, where the system shows them. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  return await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}

describe.each(Object.keys(WAYS))('a password given by %s', (way) => {
  const options = (): CliOptions => ({ config: configFile({}), ...WAYS[way]?.() });

  test('works, and is nowhere to be read while a run goes on', async () => {
    const holder = await hold(database, 'migration', 'LOCK TABLE app.accounts IN ROW EXCLUSIVE MODE');
    const running = runCli(['create', '--dry-run', '--format', 'sql'], options());
    const waiting = runCli(['create', '--format', 'json'], options());
    await runThatWaits(database);
    const sessions = await database.query('SELECT * FROM pg_stat_activity');
    expectSilence(JSON.stringify(sessions), ...(await commandLines()));
    await holder.end();
    for (const result of [await running, await waiting]) {
      expect(result.code).toBe(0);
      expectSilent(result);
    }
    await database.query(
      'DROP TABLE app.events; CREATE TABLE app.events (at timestamptz NOT NULL, account int REFERENCES app.accounts) PARTITION BY RANGE (at)',
    );
  });

  test.each<[string, (url: URL) => void]>([
    [
      'the database does not exist',
      (url) => {
        url.pathname = '/nowhere';
      },
    ],
    [
      'nothing listens there',
      (url) => {
        url.port = '1';
      },
    ],
    [
      'the server has no TLS',
      (url) => {
        url.searchParams.set('sslmode', 'verify-full');
      },
    ],
    [
      'the mode is unknown',
      (url) => {
        url.searchParams.set('sslmode', 'sometimes');
      },
    ],
    [
      'the role does not exist',
      (url) => {
        url.username = 'nobody';
      },
    ],
  ])('is not told when %s', async (_, change) => {
    const given = options();
    const url = new URL(given.url ?? '');
    change(url);
    for (const format of ['json', 'pretty']) {
      const result = await runCli(['health', '--format', format], { ...given, url: url.href });
      expect([1, 2]).toContain(result.code);
      expectSilent(result);
    }
  });
});

test.each([['--database-url', ''], ['--database-url=']])(
  'a password given by %s is not left among the arguments of the process',
  async (flag, ...separate) => {
    const url = urlWith(() => {});
    const holder = await hold(database, 'migration', 'LOCK TABLE app.accounts IN ROW EXCLUSIVE MODE');
    const given = separate.length > 0 ? [flag, url] : [`${flag}${url}`];
    const running = runCli(['create', '--format', 'json', ...given], { config: configFile({}) });
    await runThatWaits(database);
    const lines = await commandLines();
    expect(lines.length === 0 || lines.some((line) => line.startsWith('partition-keeper'))).toBe(true);
    expectSilence(...lines);
    await holder.end();
    const result = await running;
    expect(result.code).toBe(0);
    expectSilent(result);
    await database.query(
      'DROP TABLE app.events; CREATE TABLE app.events (at timestamptz NOT NULL, account int REFERENCES app.accounts) PARTITION BY RANGE (at)',
    );
  },
);

test('a URL that cannot be read is not repeated', async () => {
  for (const url of [
    `postgresql://${user}:${encoded}@[::/db`,
    `postgres//${user}:${encoded}@host/db`,
    `${encoded}`,
  ]) {
    const result = await runCli(['health'], { config: configFile({}), url });
    expect([1, 2]).toContain(result.code);
    expectSilent(result);
  }
});
