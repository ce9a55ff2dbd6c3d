import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Validations } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import type * as esbuild from 'esbuild';
import { CONFIG_FILE } from '../contract.ts';

/** The functions, by the name of their file. */
export const FUNCTIONS = ['create-partitions', 'cleanup-partitions', 'check-health', 'first-run'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

const pathOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Where the published package has them, bundled when it was built. */
const PREBUILT = pathOf('functions');

const fileOf = (folder: string, name: FunctionName): string => join(folder, `${name}.cjs`);

/** Bundles the functions, each into one file of its own, everything included. CommonJS starts faster. */
export function bundleFunctions(folder: string): void {
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof esbuild;
  buildSync({
    entryPoints: FUNCTIONS.map((name) => pathOf(`functions/${name}.ts`)),
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // An optional native part of pg that is not used.
    external: ['pg-native'],
    logLevel: 'error',
  });
}

const inTemporaryFolder = <Result>(work: (folder: string) => Result): Result => {
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

type Bundles = ReadonlyMap<FunctionName, string>;

const readBundles = (folder: string): Bundles =>
  new Map(FUNCTIONS.map((name) => [name, readFileSync(fileOf(folder, name), 'utf8')]));

let bundles: Bundles | undefined;

/** Those of the package; in a clone there are none, and they are made from the sources as they are now. */
function bundled(): Bundles {
  bundles ??= existsSync(fileOf(PREBUILT, 'first-run'))
    ? readBundles(PREBUILT)
    : inTemporaryFolder((folder) => {
        bundleFunctions(folder);
        return readBundles(folder);
      });
  return bundles;
}

/**
 * All functions as one asset, with the config beside them: an environment variable would hold no more than 4 KB.
 * @param config what the functions are to read, already checked
 */
export function functionsCode(scope: Construct, config: object): Code {
  const asset = inTemporaryFolder((folder) => {
    for (const [name, text] of bundled()) writeFileSync(fileOf(folder, name), text);
    writeFileSync(join(folder, CONFIG_FILE), JSON.stringify(config));
    return new Asset(scope, 'Code', { path: folder });
  });
  Validations.of(asset).acknowledge({
    id: 'Annotation::@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified',
    reason: 'The key of the object is a hash of its content.',
  });
  return Code.fromBucketV2(asset.bucket, asset.s3ObjectKey);
}
