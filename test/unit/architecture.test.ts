import { readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const lib = fileURLToPath(new URL('../../lib', import.meta.url));

/** One import of one file. */
interface Import {
  /** Path of the importing file from `lib`. */
  readonly file: string;
  /** Where it belongs: a folder of `lib`, or the file's own name without ending right in `lib`. */
  readonly part: string;
  readonly line: string;
  /** The part of `lib` it imports from; null for a package. */
  readonly from: string | null;
  /** The package or module of Node it imports; null inside `lib`. */
  readonly module: string | null;
}

/** `config/load.ts` belongs to `config`, `errors.ts` to `errors`. */
const partOf = (file: string): string => (file.split(sep)[0] ?? '').replace(/\.ts$/, '');

/** `@valibot/to-json-schema`, `aws-cdk-lib`, `node:fs`: what stands before the path inside a package. */
function moduleOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  if (builtinModules.includes(specifier)) return `node:${specifier}`;
  const [first = '', second = ''] = specifier.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}

/** All static and dynamic imports, also those of types, and exports of what others export. */
function importsOf(file: string, text: string): Import[] {
  const specifiers = text.matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*(['"])(.+?)\1/g);
  return [...specifiers].map(([, , specifier = '']) => {
    const target = specifier.startsWith('.')
      ? relative(lib, resolve(lib, dirname(file), specifier))
      : undefined;
    return {
      file,
      part: partOf(file),
      line: `${file}: ${specifier}`,
      from: target === undefined ? null : partOf(target),
      module: target === undefined ? moduleOf(specifier) : null,
    };
  });
}

let files: readonly string[] = [];
let imports: readonly Import[] = [];

beforeAll(async () => {
  files = (await readdir(lib, { recursive: true })).filter((file) => file.endsWith('.ts'));
  const found = await Promise.all(
    files.map(async (file) => importsOf(file, await readFile(join(lib, file), 'utf8'))),
  );
  imports = found.flat();
});

const linesWhere = (broken: (one: Import) => boolean): string[] =>
  imports.filter(broken).map(({ line }) => line);

/** What each part may import of the others. `index` is the door for everybody else and may import all. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  errors: ['contract'],
  partition: ['contract'],
  config: ['contract', 'errors', 'partition'],
  postgres: ['contract', 'errors', 'partition'],
  jobs: ['contract', 'errors', 'partition', 'config', 'postgres'],
  convert: ['contract', 'errors', 'partition', 'config', 'postgres', 'jobs'],
  serve: ['contract', 'errors', 'partition', 'config', 'postgres', 'jobs'],
  reindex: ['contract', 'errors', 'partition', 'config', 'postgres', 'jobs'],
  doctor: ['contract', 'errors', 'partition', 'config', 'postgres', 'jobs', 'sql'],
  invoke: ['contract', 'errors', 'config'],
  sql: ['partition', 'postgres'],
  cli: [
    'contract',
    'errors',
    'partition',
    'config',
    'postgres',
    'jobs',
    'convert',
    'serve',
    'reindex',
    'doctor',
    'invoke',
    'sql',
  ],
  aws: ['contract', 'errors', 'config'],
};

/** Packages of the parts that must stay small, fast to load, and free of input and output. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  errors: [],
  sql: [],
  partition: ['temporal-polyfill', 'valibot'],
  config: [
    'temporal-polyfill',
    'valibot',
    '@valibot/to-json-schema',
    'croner',
    'jiti',
    'node:fs',
    'node:fs/promises',
    'node:path',
    'node:process',
    'node:url',
  ],
};

describe('the reading of imports', () => {
  test('finds every form of them', () => {
    const text = [
      "import pg from 'pg';",
      "import type { A } from './a.ts';",
      'import * as b from "../jobs/b.ts";',
      "import {\n  c,\n  d,\n} from '@aws-sdk/client/deep';",
      "import 'node:net';",
      "export * from '../errors.ts';",
      "const late = await import('jiti');",
      "const text = 'taken from elsewhere';",
    ].join('\n');
    expect(importsOf(join('config', 'x.ts'), text).map(({ from, module }) => from ?? module)).toEqual([
      'pg',
      'config',
      'jobs',
      '@aws-sdk/client',
      'node:net',
      'errors',
      'jiti',
    ]);
  });

  test('finds those there are', () => {
    expect(files.length).toBeGreaterThan(30);
    expect(imports.length).toBeGreaterThan(100);
    expect(
      linesWhere(({ file, from }) => file === join('config', 'config.ts') && from === 'partition'),
    ).not.toEqual([]);
    expect(linesWhere(({ part, module }) => part === 'postgres' && module === 'pg')).not.toEqual([]);
  });
});

describe('dependencies', () => {
  test('every part is known here', () => {
    const parts = new Set(files.map(partOf));
    expect([...parts].filter((part) => part !== 'index' && !(part in ALLOWED))).toEqual([]);
  });

  test('each part imports only those below it', () => {
    expect(
      linesWhere(
        ({ part, from }) =>
          part !== 'index' && from !== null && from !== part && !(ALLOWED[part] ?? []).includes(from),
      ),
    ).toEqual([]);
  });

  test('nobody imports the index', () => {
    expect(linesWhere(({ from }) => from === 'index')).toEqual([]);
  });

  test('the contract imports nothing at all', () => {
    expect(linesWhere(({ part }) => part === 'contract')).toEqual([]);
  });

  test('the pure core and the config use these packages and no others', () => {
    expect(
      linesWhere(
        ({ part, module }) => module !== null && part in PACKAGES && !PACKAGES[part]?.includes(module),
      ),
    ).toEqual([]);
  });

  test('only what talks to the database knows its driver', () => {
    const mayUseDriver = ['postgres', 'jobs', 'convert', 'reindex', 'doctor'];
    expect(linesWhere(({ part, module }) => module === 'pg' && !mayUseDriver.includes(part))).toEqual([]);
  });

  test('only the constructs and the callers of functions know the cloud, and they do not know the database', () => {
    const cloud = /^(aws-cdk-lib|constructs|@aws-sdk\/.*|@aws-lambda-powertools\/.*)$/;
    const knows = (part: string): boolean => part === 'aws' || part === 'invoke';
    expect(linesWhere(({ part, module }) => !knows(part) && module !== null && cloud.test(module))).toEqual(
      [],
    );
    expect(linesWhere(({ part, module }) => knows(part) && module === 'pg')).toEqual([]);
  });

  test('the command line starts without the packages of the cloud, which few have', async () => {
    const callers = files.filter((file) => partOf(file) === 'invoke');
    expect(callers).not.toEqual([]);
    for (const file of callers)
      expect(await readFile(join(lib, file), 'utf8')).not.toMatch(/^import (?!type)[^;]*'@aws-sdk/m);
  });

  test('there are no cycles between parts', () => {
    const below = new Map<string, Set<string>>();
    for (const { part, from } of imports) {
      if (from !== null && from !== part) below.set(part, (below.get(part) ?? new Set()).add(from));
    }
    /** Everything that can be reached, however far. */
    const reach = (part: string, seen = new Set<string>()): Set<string> => {
      for (const next of below.get(part) ?? []) {
        if (!seen.has(next)) reach(next, seen.add(next));
      }
      return seen;
    };
    expect([...below.keys()].filter((part) => reach(part).has(part))).toEqual([]);
  });
});

describe('the pure core', () => {
  /** What asks the world outside: clocks, chance, the environment, the console. */
  const IMPURE =
    /\b(Date\.now|new Date\(\)|Temporal\.Now|Math\.random|randomUUID|performance\.now|process\.|console\.|setTimeout|fetch\()/;

  test('knows neither clock nor chance nor environment', async () => {
    const pure = files.filter(
      (file) => ['partition', 'sql'].includes(partOf(file)) || file === 'contract.ts',
    );
    expect(pure.length).toBeGreaterThan(10);
    const lines = await Promise.all(
      pure.map(async (file) =>
        (await readFile(join(lib, file), 'utf8'))
          .split('\n')
          .filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line) && IMPURE.test(line))
          .map((line) => `${file}: ${line.trim()}`),
      ),
    );
    expect(lines.flat()).toEqual([]);
  });

  test('has no state: no module-level let', async () => {
    const pure = files.filter((file) => ['partition', 'sql'].includes(partOf(file)));
    const stateful = await Promise.all(
      pure.map(async (file) =>
        /^(export )?let /m.test(await readFile(join(lib, file), 'utf8')) ? [file] : [],
      ),
    );
    expect(stateful.flat()).toEqual([]);
  });
});
