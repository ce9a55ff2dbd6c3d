import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deployment } from '../../support/stack.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cdk = fileURLToPath(import.meta.resolve('aws-cdk/bin/cdk'));

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-test-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** The command of CDK as on a machine without credentials and network. */
async function synth(described: object): Promise<{ readonly code: number | null; readonly output: string }> {
  const context = JSON.stringify(described);
  const args = ['synth', '--quiet', '--output', join(folder, 'out'), '--context', `deployment=${context}`];
  const child = spawn(process.execPath, [cdk, ...args], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      TMPDIR: folder,
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      CI: 'true',
      AWS_EC2_METADATA_DISABLED: 'true',
      HTTPS_PROXY: 'http://127.0.0.1:1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const [stdout, stderr] = await output;
  return { code: child.exitCode, output: stdout + stderr };
}

test('cdk synth needs neither credentials nor network, and its validation finds nothing', async () => {
  const { code, output } = await synth(deployment);
  expect([code, output]).toEqual([0, expect.not.stringMatching(/warning|error/i)]);
  const report: unknown = JSON.parse(await readFile(join(folder, 'out', 'validation-report.json'), 'utf8'));
  for (const { violations } of (report as { pluginReports: { violations: unknown[] }[] }).pluginReports)
    expect(violations).toEqual([]);
});

test('a deployment that is described wrongly is refused with every mistake', async () => {
  const { code, output } = await synth({ ...deployment, databasePort: 'x', schedules: { create: 'daily' } });
  expect(code).not.toBe(0);
  expect(output).toMatch(/databasePort: must be a number/);
  expect(output).toMatch(/schedules\.create: daily is not a cron expression/);
});
