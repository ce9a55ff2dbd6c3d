import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { RUNBOOK } from '../../../lib/aws/runbook.ts';
import type { Invocation } from '../../../lib/cli/invocation.ts';
import { buildProgram } from '../../../lib/cli/program.ts';
import { parsePayload } from '../../../lib/config/payload.ts';
import { FINDINGS, JOBS } from '../../../lib/contract.ts';
import { shellWords } from '../../support/shell.ts';
import { propertiesOf, testTemplate } from '../../support/stack.ts';
import { createAuditDatabase } from '../../support/traffic.ts';

const text = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');

/** The sections under headings of the third level. */
const sections = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n')[0] ?? '', section.split(/^## /m)[0] ?? '']),
);

const blocks = (language: string): string[] =>
  [...text.matchAll(/^ *```(\w+)\n(.*?)^ *```$/gms)].flatMap(([, of, body = '']) =>
    of === language ? [body] : [],
  );

/** The functions by the variable that stands for them. */
const variables = Object.fromEntries(JOBS.map((job) => [job.toUpperCase(), job]));

const wordsOf = (line: string): string[] =>
  shellWords(line, { STACK: 'PartitionKeeper', ADMIN_URL: 'postgresql://host/db', ...variables });

const lines = blocks('sh').flatMap((block) =>
  block
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== ''),
);
const linesOf = (program: string): string[] => lines.filter((line) => line.startsWith(program));

describe('the runbook', () => {
  test.each([...Object.values(RUNBOOK), ...FINDINGS])(
    'has a section on %s with all it should say',
    (heading) => {
      const section = sections.get(heading) ?? '';
      for (const word of ['meaning', 'impact', 'look', 'fix', 'prevent']) {
        expect(section.toLowerCase(), word).toContain(word);
      }
    },
  );

  test('is what the alarms point at', () => {
    const headings = Object.values(RUNBOOK).filter((heading) => heading !== RUNBOOK.storage);
    const pointed = propertiesOf(testTemplate(), 'AWS::CloudWatch::Alarm').map(({ AlarmDescription }) =>
      /Runbook \\"([^"\\]+)\\": [^"]*operations\.md#([a-z-]+)/.exec(JSON.stringify(AlarmDescription)),
    );
    expect(new Set(pointed.map((match) => match?.[1]))).toEqual(new Set(headings));
    for (const match of pointed) expect(match?.[1]?.toLowerCase().replaceAll(' ', '-')).toBe(match?.[2]);
  });

  test('leads only to headings that are there', () => {
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replaceAll(' ', '-'),
    );
    const links = [...text.replaceAll('\n', ' ').matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((anchor) => !anchors.includes(anchor ?? ''))).toEqual([]);
  });

  test('has no other commands than these', () => {
    const known =
      /^(aws|for f in "\$|npx partition-keeper|npx cdk|npm ci|npm install|git pull|psql|export|output\(\)) ?/;
    expect(lines.filter((line) => !known.test(line))).toEqual([]);
    expect(lines.length).toBeGreaterThan(40);
  });
});

describe('the commands of the runbook', () => {
  test('are ones a shell can read', () => {
    const { status, stderr } = spawnSync('bash', ['-n'], {
      input: blocks('sh').join('\n'),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('of ours are ones the program takes', async () => {
    const commands = linesOf('npx partition-keeper');
    expect(commands.length).toBeGreaterThan(5);
    for (const line of commands) {
      const invocation: Invocation = {
        job: 'validate',
        exitCode: 0,
        dryRun: true,
        format: 'pretty',
        env: {},
        folder: '',
      };
      const program = buildProgram(invocation);
      let taken = false;
      for (const command of program.commands) {
        command.action(() => {
          taken = true;
        });
      }
      await program.parseAsync(wordsOf(line).slice(2), { from: 'user' });
      expect(taken, line).toBe(true);
    }
  });

  test('that invoke a function have a payload that it takes', () => {
    const commands = linesOf('aws lambda invoke');
    expect(commands.length).toBeGreaterThan(8);
    for (const line of commands) {
      const words = wordsOf(line);
      const job = JOBS.find((one) => one === words[words.indexOf('--function-name') + 1]);
      if (job === undefined) throw new Error(`no function is named by ${line}`);
      const payload: unknown = JSON.parse(words[words.indexOf('--payload') + 1] ?? '');
      expect(parsePayload(job, payload)).toBeTypeOf('object');
      expect(words).toContain('raw-in-base64-out');
    }
  });

  test('of SQL are ones the server can read', async () => {
    await using database = await createAuditDatabase();
    const statements = blocks('sql').flatMap((block) =>
      block.split(/;$/m).filter((part) => part.trim() !== ''),
    );
    expect(statements.length).toBeGreaterThan(3);
    for (const statement of statements) {
      const code = await database.query(statement).then(
        () => undefined,
        (error: { readonly code?: string }) => error.code,
      );
      expect(code, statement).not.toBe('42601');
    }
  });
});

describe('the costs', () => {
  test('are computed from what the stack has', () => {
    const template = testTemplate();
    const count = (type: string): number => propertiesOf(template, type).length;
    expect(text).toContain(`| ${count('AWS::CloudWatch::Alarm')} alarms |`);
    expect(text).toContain(`| ${count('AWS::CloudWatch::Dashboard')} dashboard |`);
    expect(text).toContain(`| ${count('AWS::KMS::Key')} customer-managed key `);
  });

  test('add up', () => {
    const rows = [...text.matchAll(/^\| (?!item|---|with)(.+?) \|.*?\| \**([0-9.]+)\** \|$/gm)];
    const amounts = rows.map(([, name = '', amount]) => ({ name, amount: Number(amount) }));
    const sum = amounts.find(({ name }) => name === '**sum**')?.amount;
    const total = amounts
      .filter(({ name }) => name !== '**sum**')
      .reduce((all, { amount }) => all + amount, 0);
    expect(amounts.length).toBeGreaterThan(7);
    expect(total).toBeCloseTo(sum ?? 0, 2);
  });
});
