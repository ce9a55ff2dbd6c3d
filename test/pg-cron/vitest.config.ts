import { defineConfig } from 'vitest/config';

/** Apart from the other tests: this one needs a server with pg_cron, which scripts/test-pg-cron.ts finds. */
export default defineConfig({
  test: {
    name: 'pg-cron',
    include: ['test/pg-cron/**/*.test.ts'],
    pool: 'forks',
    hookTimeout: 120_000,
    testTimeout: 300_000,
    // One story: without its first part, the rest says nothing.
    bail: 1,
  },
});
