import { expect, test } from 'vitest';
import { attachObstacles } from '../../../lib/convert/outlook.ts';
import type { Unit } from '../../../lib/convert/unit.ts';
import { concurrentIndexProblem } from '../../../lib/postgres/concurrent-indexes.ts';

const server = (minor: number) => ({ version: `14.${minor}`, versionNumber: 140_000 + minor });

test.each([0, 1, 3])('14.%i must not build an index concurrently', (minor) => {
  expect(concurrentIndexProblem(server(minor))).toMatchObject({
    code: 'concurrent-index-bug',
    message: expect.stringMatching(
      new RegExp(`^PostgreSQL 14\\.${minor} has a bug that is mended in 14\\.4: `),
    ),
    hint: expect.stringContaining('Update the server to the newest minor version, 14.4 or newer'),
  });
});

test.each([140_004, 140_023, 150_000, 180_004])('%i may', (versionNumber) => {
  expect(concurrentIndexProblem({ version: 'x', versionNumber })).toBeNull();
});

test('a conversion is kept only from building one', () => {
  const unit = (kind: Unit['steps'][number]['kind']): Unit => ({
    stage: 'prepare',
    steps: [
      {
        kind,
        partition: 'app.events',
        partitionOid: 1,
        range: { from: 0n, to: 1n },
        reason: 'for the test',
        hazards: [],
        locks: [],
        statements: [],
      },
    ],
  });
  const units = [unit('create'), unit('index')];
  expect(attachObstacles(units, server(3))).toMatchObject([{ code: 'concurrent-index-bug' }]);
  expect(attachObstacles(units, server(4))).toEqual([]);
  expect(attachObstacles([unit('create'), unit('constrain')], server(3))).toEqual([]);
});
