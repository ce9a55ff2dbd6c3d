import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import { expectRefused, PARTITIONED, PLAIN, type Refusal } from '../../support/convert/refusal.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const version = inject('serverVersion');

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});

type Versioned = Refusal & {
  /** The major version it came with. */
  readonly from?: number;
};

const ofThisVersion = (all: readonly Versioned[]) => all.filter(({ from = version }) => from <= version);

/** What publishes the copy, row by row, beside the table. */
const publications: readonly Versioned[] = [
  { what: 'a publication of all tables', sql: 'CREATE PUBLICATION everything FOR ALL TABLES' },
  {
    what: 'a publication of its schema',
    from: 15,
    sql: 'CREATE PUBLICATION everything FOR TABLES IN SCHEMA app',
  },
].map((publication) => ({
  ...publication,
  code: 'publication',
  message:
    'Publication everything publishes every new table of the schema, and so the copy row by row, to subscribers that do not have it.',
  remedy: 'Publish tables by name instead, in another publication.',
  followed:
    'DROP PUBLICATION everything; CREATE PUBLICATION everything FOR TABLE app.events WITH (publish_via_partition_root = true)',
}));

const ACCOUNTS =
  'CREATE TABLE app.accounts (id int PRIMARY KEY); INSERT INTO app.accounts VALUES (1), (2), (3)';

describe('a plain table is not converted with', () => {
  test.each(
    ofThisVersion([
      ...publications.map((publication) => ({
        ...publication,
        of: ['copy'] as const,
        remedy: 'Publish tables by name instead, in another publication; or use --strategy attach.',
      })),
      {
        what: 'a NOT NULL that is not validated',
        from: 18,
        sql: 'ALTER TABLE app.events ADD CONSTRAINT said NOT NULL note NOT VALID',
        code: 'not-valid',
        message: 'The NOT NULL constraint said is not validated.',
        remedy: 'ALTER TABLE "app"."events" VALIDATE CONSTRAINT "said";',
      },
      {
        what: 'a foreign key that is not enforced',
        from: 18,
        sql: `${ACCOUNTS}; ALTER TABLE app.events ADD CONSTRAINT of_account FOREIGN KEY (account) REFERENCES app.accounts NOT ENFORCED`,
        code: 'not-valid',
        message: 'The foreign key of_account is not validated, which those of partitioned tables must be.',
        remedy: 'ALTER TABLE "app"."events" ALTER CONSTRAINT "of_account" ENFORCED;',
      },
    ]),
  )('$what', async (refusal) => {
    await expectRefused(database, PLAIN, refusal);
  });
});

describe('a partitioned table is not given other partitions, nor made plain, with', () => {
  test.each(
    ofThisVersion([
      ...publications,
      {
        what: 'an exclusion constraint',
        from: 17,
        sql: 'ALTER TABLE app.events ADD CONSTRAINT once EXCLUDE USING btree (note WITH =, at WITH =)',
        code: 'exclusion',
        message: 'The exclusion constraint once cannot be had across partitions.',
        remedy: 'ALTER TABLE "app"."events" DROP CONSTRAINT "once";',
      },
    ]),
  )('$what', async (refusal) => {
    await expectRefused(database, PARTITIONED, refusal);
  });
});
