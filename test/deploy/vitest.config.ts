import { defineConfig } from 'vitest/config';

/** Apart from the other tests: this one needs Python and the network, once. */
export default defineConfig({
  test: {
    name: 'deploy',
    include: ['test/deploy/**/*.test.ts'],
    pool: 'forks',
    // The first time, packages are installed.
    hookTimeout: 600_000,
    testTimeout: 300_000,
    teardownTimeout: 60_000,
    // One story: without its first part, the rest says nothing.
    bail: 1,
  },
});
