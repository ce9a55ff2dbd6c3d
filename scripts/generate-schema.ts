import { writeFileSync } from 'node:fs';
import { jsonSchemaText } from '../lib/config/json-schema.ts';

/** Writes `partitions.schema.json`, by which editors check and complete JSON configs. */
writeFileSync(new URL('../partitions.schema.json', import.meta.url), jsonSchemaText());
