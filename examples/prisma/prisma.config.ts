import process from 'node:process';
import { defineConfig } from 'prisma/config';

/**
 * Tables that Prisma shall leave alone. Partitions need not be listed: Prisma does not see them. A partition that
 * was detached is a table like any other, so while it waits to be dropped, list it: `'platform.audit_logs_2019_01'`.
 */
const detached: string[] = [];

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // Commands that need no database, such as `prisma generate`, run without the variable.
  datasource: { url: process.env['DATABASE_URL'] ?? '' },
  experimental: { externalTables: true },
  tables: { external: detached },
});
