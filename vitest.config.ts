import { availableParallelism } from 'node:os';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { postgresVersions } from './support/embedded-server.ts';
import type { WantedServer } from './test/support/server.ts';

/** Tests that measure how long others wait: nothing else runs beside them, not even each other. */
const TRAFFIC = 'test/integration/{stall,deadlock,default-heal,convert/{stall,copy-stall}}.test.ts';

/** What is the same whatever the version of the server is; it runs on one of them. */
const FOR_ONE_VERSION = [
  'test/integration/aws/**',
  'test/integration/migrating/**',
  'test/integration/{bench,cli,compose,doctor,explain-rewritten,explain-top,old-minor,patience-of-others,serve,sql/planners}.test.ts',
  'test/integration/convert/{cli,copy-{mirror,pace,rewritten,since},kit,refusals,unique-without-key}.test.ts',
];

/** The integration tests with a server of their own, and those with traffic afterwards, one at a time. */
function integration(
  name: string,
  wantedServer: WantedServer,
  { turn = 0, exclude = [] }: { readonly turn?: number; readonly exclude?: readonly string[] } = {},
): TestProjectInlineConfiguration[] {
  const common = { globalSetup: 'test/support/server.ts', provide: { wantedServer } };
  return [
    { test: { ...common, name, include: ['test/integration/**/*.test.ts'], exclude: [TRAFFIC, ...exclude] } },
    {
      test: {
        ...common,
        name: `${name}-traffic`,
        include: [TRAFFIC],
        fileParallelism: false,
        maxWorkers: 1,
        sequence: { groupOrder: 1 + turn },
      },
    },
  ];
}

/** With PG_MATRIX, the integration tests on those versions, or all, at once; else on one, that of PG_VERSION if it is set. */
function integrationProjects(): TestProjectInlineConfiguration[] {
  const { PG_MATRIX, PG_VERSION } = process.env;
  if (PG_MATRIX) {
    const wanted = PG_MATRIX === 'all' ? postgresVersions.map(String) : PG_MATRIX.split(',');
    return postgresVersions
      .filter((version) => wanted.includes(String(version)))
      .flatMap((version, turn) =>
        integration(
          `integration-${version}`,
          { version, embedded: true },
          { turn, exclude: FOR_ONE_VERSION },
        ),
      );
  }
  if (!PG_VERSION) return integration('integration', { embedded: false });
  const version = postgresVersions.find((known) => String(known) === PG_VERSION);
  if (version === undefined)
    throw new Error(`PG_VERSION is none of ${postgresVersions.join(', ')}: ${PG_VERSION}`);
  return integration('integration', { version, embedded: false });
}

export default defineConfig({
  test: {
    pool: 'forks',
    // Two also on a small machine, since tests wait for the server a good deal; few enough for its connections.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    projects: [{ test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } }, ...integrationProjects()],
  },
});
