import { fileURLToPath } from 'node:url';
import { bundleFunctions } from '../lib/aws/code.ts';

/** Puts the functions into the package, so that whoever uses the construct needs no bundler. */
bundleFunctions(fileURLToPath(new URL('../dist/functions', import.meta.url)));
