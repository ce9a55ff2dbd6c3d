import { writeFileSync } from 'node:fs';
import { dependenciesText } from './dependencies.ts';

/** Writes `docs/dependencies.md`. */
writeFileSync(new URL('../docs/dependencies.md', import.meta.url), dependenciesText());
