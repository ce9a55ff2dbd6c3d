import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { expect, test } from 'vitest';
import type { Interval } from '../../lib/partition/calendar.ts';
import { stepsOf } from '../support/keeper.ts';
import { byHand } from '../support/retention/by-hand.ts';
import {
  beginLife,
  type Life,
  type MovedServer,
  shifted,
  startMovedServer,
  wishOf,
  within,
} from '../support/retention/keeping.ts';
import {
  barelyProtected,
  holes,
  lostRows,
  rowsOf,
  verdicts,
  writeRows,
} from '../support/retention/oracle.ts';
import {
  anyStory,
  DIFFICULT_STORIES,
  type Event,
  LAST_MOMENT,
  retentionOf,
  type Story,
} from '../support/retention/story.ts';

/** A finer or coarser grid that does not take a thousand partitions to fill. */
const OTHER_INTERVAL: Readonly<Record<Interval, Interval>> = {
  hour: 'day',
  day: 'week',
  week: 'day',
  month: 'quarter',
  quarter: 'month',
  year: 'quarter',
};

type Job = 'create' | 'cleanup';

/** The steps there are to do, by the same plan in all surroundings. */
async function plan(life: Life): Promise<{ readonly create: string[]; readonly remove: string[] }> {
  const plans: (readonly { kind: string; partition: string }[])[] = [];
  for (const surroundings of life.story.surroundings) {
    const report = await within(life, surroundings, (jobs) => jobs.plan({ approve: true }));
    expect(report.now, 'the clock of the run').toBe(wishOf(life).now);
    plans.push(
      stepsOf(report).map(({ kind, partition, from, to, reason }) => ({ kind, partition, from, to, reason })),
    );
  }
  const [first = [], second] = plans;
  expect(second, 'the plan in other surroundings').toEqual(first);
  const of = (wanted: (kind: string) => boolean) =>
    first.flatMap(({ kind, partition }) => (wanted(kind) ? [partition] : []));
  const creates = (kind: string) => kind === 'create' || kind === 'move-rows';
  return { create: of(creates), remove: of((kind) => !creates(kind)) };
}

/** Runs a job in the first surroundings; the partitions it dealt with. */
async function run(life: Life, job: Job, back = 0): Promise<string[]> {
  const [surroundings] = life.story.surroundings;
  if (surroundings === undefined) throw new Error('a story has surroundings');
  const from = back === 0 ? undefined : shifted(life, -100 * back);
  const report = await within(life, surroundings, (jobs) =>
    job === 'create' ? jobs.create({ approve: true, from }) : jobs.cleanup({ approve: true }),
  );
  expect(report.now, 'the clock of the run').toBe(wishOf(life).now);
  return stepsOf(report).map(({ partition }) => partition);
}

/** Nothing is lost, nothing is left open, and nothing is made that cleanup would take away. */
async function create(life: Life, back: number): Promise<void> {
  const before = await rowsOf(life.database);
  const made = await run(life, 'create', back);
  const after = await rowsOf(life.database);
  expect(new Set(after.stored), 'rows after a create').toEqual(new Set(before.stored));
  expect(new Set(after.seen), 'rows seen after a create').toEqual(new Set(before.seen));
  const { interval, premake } = life.wanted;
  // With a beginning of one's own, older holes are left alone.
  if (back === 0) expect(await holes(life.database, wishOf(life), interval, premake), 'holes').toEqual([]);
  const rest = await plan(life);
  if (back === 0) expect(rest.create, 'to create after a create').toEqual([]);
  expect(
    rest.remove.filter((name) => made.includes(name)),
    'to remove of what was just created',
  ).toEqual([]);
}

/** What the stories told have put to the test. */
const told = { stories: 0, goes: 0, stays: 0, either: 0, 'rows barely protected': 0, 'clock set back': 0 };

/** What must go is gone, what must stay is there, and no row is lost that is within retention. */
async function cleanup(life: Life): Promise<void> {
  const { database } = life;
  const wish = wishOf(life);
  const before = await rowsOf(database);
  const judged = await verdicts(database, wish);
  for (const verdict of judged.values()) told[verdict]++;
  told['rows barely protected'] += await barelyProtected(database, wish);
  const planned = await plan(life);
  await run(life, 'cleanup');
  const present = await verdicts(database, wish);
  const wrong = [...judged].filter(
    ([name, verdict]) => verdict !== 'either' && present.has(name) !== (verdict === 'stays'),
  );
  expect(wrong, 'partitions that went against what must become of them').toEqual([]);
  expect(await lostRows(database, wish, before), 'rows lost within retention').toEqual([]);
  const after = await plan(life);
  expect(after.remove, 'to remove after a cleanup').toEqual([]);
  if (planned.create.length === 0) expect(after.create, 'to create after a cleanup').toEqual([]);
}

async function play(life: Life, event: Event): Promise<void> {
  const { server, story, wanted } = life;
  const { clock } = server;
  switch (event.kind) {
    case 'wait': {
      const later = shifted(life, event.hundredths);
      if (Temporal.Instant.compare(later, Temporal.Instant.from(LAST_MOMENT)) < 0) clock.now = later;
      return;
    }
    case 'set back':
      clock.now = shifted(life, -event.hundredths);
      told['clock set back']++;
      return;
    case 'arrive': {
      const moment = Temporal.Instant.from(story.moment);
      if (Temporal.Instant.compare(clock.now, moment) < 0) clock.now = moment;
      return;
    }
    case 'create':
      return await create(life, event.back);
    case 'cleanup':
      return await cleanup(life);
    case 'settle':
      await create(life, 0);
      return await cleanup(life);
    case 'write':
      return await writeRows(
        life.database,
        wishOf(life),
        event.at.map((hundredths) => shifted(life, hundredths).toString()),
      );
    case 'premake':
      life.wanted = { ...wanted, premake: event.premake };
      return;
    case 'interval':
      life.wanted = { ...wanted, interval: OTHER_INTERVAL[wanted.interval] };
      return;
    case 'retention':
      life.wanted = {
        ...wanted,
        retention: event.which === null ? null : retentionOf(wanted.interval, event.which),
      };
      return;
    case 'zone':
      // What is written to a wall-clock key is the clock of the zone then: with another, it means something else.
      if (story.keyType === 'timestamptz' || story.keyType === 'uuid')
        life.wanted = { ...wanted, zone: event.zone };
      return;
    default:
      return await byHand(life, event);
  }
}

async function tell(server: MovedServer, story: Story): Promise<void> {
  const life = await beginLife(server, story);
  for (const [index, event] of story.events.entries()) {
    try {
      await play(life, event);
    } catch (error) {
      throw new Error(
        `at event ${index}, ${JSON.stringify(event)}, on ${wishOf(life).now} with ${JSON.stringify(life.wanted)}: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
    }
  }
  told.stories++;
}

/** For replays and long runs; see CONTRIBUTING.md. */
const { RETENTION_SEED, RETENTION_PATH, RETENTION_RUNS, RETENTION_SECONDS } = process.env;
const RUNS = Number(RETENTION_RUNS ?? 25);
/** Then the search for a simpler story that fails ends, too. */
const LIMIT_MS = Number(RETENTION_SECONDS ?? 300) * 1000;
/** A machine that tells fewer within the limit is too slow to prove anything. */
const LEAST = Math.min(RUNS, 20);

test(
  'whatever happens to a table, what is within retention stays and what is past it goes',
  async () => {
    await using server = await startMovedServer();
    const seed = Number(RETENTION_SEED ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`RETENTION_SEED=${seed}`);
    const result = await fc.check(
      fc.asyncProperty(anyStory, (story) => tell(server, story)),
      {
        seed,
        numRuns: RUNS,
        interruptAfterTimeLimit: LIMIT_MS,
        examples: DIFFICULT_STORIES.map((story): [Story] => [story]),
        ...(RETENTION_PATH === undefined ? {} : { path: RETENTION_PATH }),
      },
    );
    if (result.failed) {
      const replay = `To replay: RETENTION_SEED=${result.seed} RETENTION_PATH=${result.counterexamplePath}`;
      throw new Error(`${fc.defaultReportMessage(result)}\n${replay}`, { cause: result.errorInstance });
    }
    if (RETENTION_PATH !== undefined) return;
    console.log(told);
    expect(told.stories).toBeGreaterThanOrEqual(LEAST);
    for (const [what, times] of Object.entries(told))
      if (what !== 'either') expect(times, what).toBeGreaterThan(0);
  },
  2 * LIMIT_MS,
);
