import { setTimeout as delay } from 'node:timers/promises';
import type { Script } from './actions.ts';
import { act, read } from './application.ts';
import { examine } from './ending.ts';
import { noLeftovers, workByHand } from './hands.ts';
import { noDeeds, runKeeper } from './keepers.ts';
import { openSession } from './session.ts';
import { createWorld } from './world.ts';

/** Pause of the auditor between two looks, in milliseconds. */
const LOOK_EVERY = 50;

/**
 * Lets a world happen: everybody at once, each at his own pace, until all have come to the end of their scripts.
 * Returns how often what happened. Throws, with everything that happened in order, if anything was not as it must be.
 */
export async function runWorld(script: Script): Promise<Readonly<Record<string, number>>> {
  await using world = await createWorld(script.setting, script.actors.length);
  const { journal } = world;
  const deeds = noDeeds();
  const left = noLeftovers();

  const acting = script.actors.map(async (commands, number) => {
    const who = `actor ${number}`;
    const session = await openSession(world, who, '10s');
    const hands = await openSession(world, `${who} by hand`, '150ms');
    let ids = 1000 * (number + 1);
    const actor = { number, session, nextId: () => ids++ };
    for (const command of commands) {
      if (journal.complaints.length > 0) break;
      if (command.kind === 'by hand') await workByHand({ world, session: hands, left }, command);
      else await act(world, actor, command);
    }
    await session.end();
    await hands.end();
  });
  const keeping = script.keepers.map(async (runs, number) => {
    for (const run of runs)
      if (journal.complaints.length === 0) await runKeeper(world, `keeper ${number}`, run, deeds);
  });
  let busy = true;
  const auditing = (async () => {
    const session = await openSession(world, 'auditor', '10s');
    while (busy) {
      await read(world, session, 0);
      await delay(LOOK_EVERY);
    }
    await session.end();
  })();
  const ended = await Promise.allSettled([...acting, ...keeping]);
  busy = false;
  const failed = [...ended, ...(await Promise.allSettled([auditing]))].find(
    ({ status }) => status === 'rejected',
  );
  if (failed?.status === 'rejected')
    throw new Error(`${failed.reason}\n${journal.text()}`, { cause: failed.reason });
  if (journal.complaints.length === 0) await examine(world, deeds, left);
  if (journal.complaints.length > 0)
    throw new Error(`${journal.complaints.join('\n')}\n\nWhat happened:\n${journal.text()}`);
  journal.count('rows', world.model.size());
  return journal.counts;
}
