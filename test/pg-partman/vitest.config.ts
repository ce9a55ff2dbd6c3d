import { defineConfig } from 'vitest/config';

/** Apart from the other tests: this one needs the functions of pg_partman, which scripts/test-pg-partman.ts finds. */
export default defineConfig({
  test: {
    name: 'pg-partman',
    include: ['test/pg-partman/**/*.test.ts'],
    pool: 'forks',
    globalSetup: 'test/support/server.ts',
    provide: { wantedServer: { version: 15, embedded: true } },
    hookTimeout: 120_000,
    testTimeout: 120_000,
  },
});
