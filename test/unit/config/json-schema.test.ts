import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { jsonSchemaText } from '../../../lib/config/json-schema.ts';
import { INTERVALS } from '../../../lib/partition/calendar.ts';

test('partitions.schema.json is up to date; if not: npm run schema', async () => {
  const onDisk = await readFile(new URL('../../../partitions.schema.json', import.meta.url), 'utf8');
  expect(onDisk).toBe(jsonSchemaText());
});

test('it knows the fields, what they may be, and no others', () => {
  expect(JSON.parse(jsonSchemaText())).toMatchObject({
    required: ['tables'],
    additionalProperties: false,
    properties: {
      $schema: { type: 'string' },
      tables: {
        items: {
          required: ['schema', 'table', 'partitionKey', 'interval'],
          additionalProperties: false,
          properties: {
            interval: { enum: [...INTERVALS] },
            premake: { type: 'integer', minimum: 1 },
            expired: { enum: ['drop', 'detach'] },
            retention: {
              additionalProperties: false,
              properties: { years: { type: 'integer', minimum: 1 } },
            },
          },
        },
      },
    },
  });
});
