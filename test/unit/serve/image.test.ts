import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { environmentOf, execForm, lastOf, stagesOf } from '../../../support/dockerfile.ts';

const root = new URL('../../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');

const stages = stagesOf(read('Dockerfile'));
const image = stages.at(-1) ?? [];
const named = (name: string) => stages.flat().filter((instruction) => instruction.name === name);

test('every stage begins with the small image of Node 24', () => {
  expect(named('FROM').map(({ text }) => text)).toEqual([
    'node:24-alpine AS build',
    'node:24-alpine AS dependencies',
    'node:24-alpine',
  ]);
});

test('the image runs serve, as nobody special, and takes SIGTERM', () => {
  expect(execForm(lastOf(image, 'ENTRYPOINT'))).toEqual(['node', '/app/dist/bin/partition-keeper.js']);
  expect(execForm(lastOf(image, 'CMD'))).toEqual(['serve']);
  expect(lastOf(image, 'USER')).toBe('node');
  expect(lastOf(image, 'STOPSIGNAL')).toBe('SIGTERM');
  // Whatever is done as root comes before.
  const names = image.map(({ name }) => name);
  expect(names.lastIndexOf('RUN')).toBeLessThan(names.indexOf('USER'));
});

test('its health check needs nothing but Node, and asks where it listens', () => {
  const check = lastOf(image, 'HEALTHCHECK');
  expect(execForm(check)[0]).toBe('node');
  expect(check).toMatch(/^--interval=\S+ --timeout=\S+ --start-period=\S+ --retries=\d+ CMD /);
  const { PARTITION_KEEPER_LISTEN } = environmentOf(image);
  expect(PARTITION_KEEPER_LISTEN).toBe(`0.0.0.0:${lastOf(image, 'EXPOSE')}`);
});

test('it is made of files that exist, and of none that nobody should see', () => {
  const sources = named('COPY')
    .filter(({ text }) => !text.startsWith('--from='))
    .flatMap(({ text }) => text.split(' ').slice(0, -1));
  const [everything, ...shown] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(everything).toBe('*');
  expect(new Set(shown)).toEqual(new Set(sources.map((source) => `!${source}`)));
  expect(sources.filter((source) => !existsSync(new URL(source, root)))).toEqual([]);
});

test('it installs what the lockfile says, and runs no program of a package meanwhile', () => {
  const installs = named('RUN').filter(({ text }) => text.includes('npm'));
  expect(installs.map(({ text }) => text)).toEqual([
    'npm ci --ignore-scripts',
    'npm ci --omit=dev --ignore-scripts',
  ]);
});
