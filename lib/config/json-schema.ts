import { toJsonSchema } from '@valibot/to-json-schema';
import { configSchema } from './schema.ts';

/** The config's JSON Schema. What it cannot say (known time zones, name lengths) is checked on reading only. */
export const jsonSchemaText = (): string =>
  `${JSON.stringify({ title: 'Partition Keeper config', ...toJsonSchema(configSchema, { errorMode: 'ignore', typeMode: 'input' }) }, null, 2)}\n`;
