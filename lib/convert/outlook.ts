import type { Finding, ReportError } from '../contract.ts';
import { KeeperError, usageError } from '../errors.ts';
import { ownershipProblem, statementContext } from '../jobs/plan-table.ts';
import type { Run } from '../jobs/run-context.ts';
import { displayName, shellWord } from '../partition/identifiers.ts';
import { keeperCommand } from '../partition/remedy.ts';
import { scheduleOf } from '../partition/schedule.ts';
import { concurrentIndexProblem } from '../postgres/concurrent-indexes.ts';
import type { ServerFacts } from '../postgres/session.ts';
import { undoSteps } from './attach/discard.ts';
import { attachNames } from './attach/names.ts';
import { planAttach } from './attach/plan.ts';
import { analyzeStep } from './attach/steps.ts';
import { boundaryOf } from './boundary.ts';
import { copyNames } from './copy/names.ts';
import { copyObstacles } from './copy/obstacles.ts';
import { type CopyWish, planCopy } from './copy/plan.ts';
import { copyStanding } from './copy/standing.ts';
import { type CopyStrategy, interimOf, layoutOf } from './copy/strategy.ts';
import type { Strategy } from './marker.ts';
import type { Obstacle } from './obstacles.ts';
import { preflight } from './preflight.ts';
import { preparedOf, undoRefusal } from './prepared.ts';
import type { Situation } from './situation.ts';
import { standing } from './standing.ts';
import { STAGES, type Stage, type Unit } from './unit.ts';

/** What is left to do, and what is to be said about it. */
export interface Outlook {
  readonly units: readonly Unit[];
  readonly findings: readonly Finding[];
  readonly refusal: ReportError | null;
}

export interface Wish extends CopyWish {
  /** Absent: the one that was begun, else `attach`. */
  readonly strategy?: Strategy | undefined;
  /** The last stage to be carried out. */
  readonly until: Stage;
}

const nothingLeft = ({ table }: Situation): Finding => ({
  finding: 'conversion',
  severity: 'info',
  message: `${displayName(table.schema, table.name)} is a ${table.kind === 'table' ? 'plain' : 'partitioned'} table.`,
  remedy:
    table.kind === 'table'
      ? 'Take it out of the config that scheduled jobs read.'
      : keeperCommand('status', table),
  facts: { phase: 'converted' },
});

/** The strategy that was begun; null: none was. */
export const begun = (situation: Situation): Strategy | null =>
  situation.copy?.marker.strategy ?? preparedOf(situation)?.marker.strategy ?? null;

/** Which strategy it is to be; null: there is nothing to convert. */
function strategyFor(situation: Situation, { strategy, aim }: Wish): Strategy | null {
  const { table } = situation;
  const name = displayName(table.schema, table.name);
  const was = begun(situation);
  if (was !== null && strategy !== undefined && was !== strategy) {
    throw usageError(
      'other-strategy',
      `A conversion of ${name} by ${was} has been begun, and ${strategy} was asked for.`,
      situation.copy?.phase === 'after'
        ? 'Complete that one with --finish, or take it back with --undo, first.'
        : 'Go on with that one, or take it back with --undo first.',
    );
  }
  if (was !== null) return was;
  if (table.kind === 'other') {
    throw usageError(
      'not-a-table',
      `${name} is no ordinary table.`,
      'Only tables can be converted; check the name in the config.',
    );
  }
  if (aim === 'finish') return null;
  const plain = table.kind === 'table';
  if (strategy === undefined) return plain ? 'attach' : null;
  if (plain && strategy === 'split') {
    throw usageError(
      'not-partitioned',
      `${name} is not partitioned, so there are no partitions to split.`,
      'Use --strategy attach or copy.',
    );
  }
  if (plain && strategy === 'unconvert')
    throw usageError('not-partitioned', `${name} is not partitioned.`, 'Nothing has been done.');
  if (!plain && (strategy === 'attach' || strategy === 'copy')) {
    if (aim === 'convert') return null;
  }
  return strategy;
}

/** Units up to the stage; what comes later waits for another call. */
const upTo = (units: readonly Unit[], until: Stage): Unit[] => {
  const last = units.findIndex(({ stage }) => STAGES.indexOf(stage) > STAGES.indexOf(until));
  return last === -1 ? [...units] : units.slice(0, last);
};

const count = (units: readonly Unit[]): number => units.reduce((sum, { steps }) => sum + steps.length, 0);

/** What else is in the way: indexes beside the old ones are built concurrently. */
export function attachObstacles(
  units: readonly Unit[],
  server: Pick<ServerFacts, 'version' | 'versionNumber'>,
): Obstacle[] {
  const bug = concurrentIndexProblem(server);
  const builds = units.some(({ steps }) => steps.some(({ kind }) => kind === 'index'));
  return bug === null || !builds ? [] : [{ code: bug.code, message: bug.message, remedy: bug.hint }];
}

function attachOutlook(run: Run, situation: Situation, wish: Wish): Outlook {
  const { table, config, now } = situation;
  const context = statementContext(run.context);
  if (wish.aim === 'undo') {
    const steps = undoSteps(situation, context);
    return {
      units: steps.map((step) => ({ stage: 'prepare', steps: [step] })),
      findings: [],
      refusal: undoRefusal(situation),
    };
  }
  const boundary = boundaryOf(scheduleOf(config, table.keyType, now), table.keys, config.premake);
  const ours = preparedOf(situation) !== null;
  const plan = planAttach(situation, context);
  const judged = preflight(table, config, {
    boundary,
    names: attachNames(table, ours),
    others: attachObstacles(plan.units, run.context.server),
    approve: wish.approve,
  });
  return {
    units: plan.units,
    findings: [standing(situation, plan, count(plan.units)), ...judged.findings],
    refusal: judged.refusal ?? plan.refusal,
  };
}

function copyOutlook(run: Run, situation: Situation, strategy: CopyStrategy, wish: Wish): Outlook {
  const { table, config, now, copy } = situation;
  const context = statementContext(run.context);
  const boundary =
    layoutOf(strategy) === 'plain'
      ? null
      : boundaryOf(scheduleOf(config, table.keyType, now), table.keys, config.premake);
  const judged =
    copy?.phase === 'after' || wish.aim !== 'convert'
      ? { findings: [], refusal: null }
      : preflight(table, config, {
          boundary,
          names: copy === null ? copyNames(table, interimOf(strategy)) : [],
          others: copyObstacles(situation, layoutOf(strategy)),
          approve: wish.approve,
        });
  const plan = planCopy(situation, strategy, wish, context);
  return {
    units: plan.units,
    findings: [copyStanding(situation, strategy, count(plan.units)), ...judged.findings],
    refusal: judged.refusal ?? plan.refusal,
  };
}

/** @throws KeeperError when there is nothing to finish */
export function checkWish({ table, copy }: Situation, { aim }: Wish): void {
  if (aim !== 'finish' || copy?.phase === 'after') return;
  throw usageError(
    'nothing-to-finish',
    `${displayName(table.schema, table.name)} has no table that it has replaced.`,
    'Nothing has been done.',
  );
}

/** @throws KeeperError when what is asked for makes no sense of the table, or the role may not do it */
export function outlook(run: Run, situation: Situation, wish: Wish): Outlook {
  const { table } = situation;
  const strategy = strategyFor(situation, wish);
  const problem = ownershipProblem(table, run.context.server);
  const partitioned = table.kind === 'partitioned table';
  if (strategy === null || (strategy === 'attach' && partitioned)) {
    if (wish.aim === 'undo') {
      throw usageError(
        'already-converted',
        `${displayName(table.schema, table.name)} is partitioned already: what was prepared is in use.`,
        `To turn it back: npx partition-keeper unconvert ${shellWord(`${table.schema}.${table.name}`)}`,
      );
    }
    const steps =
      table.rows === null && table.mayManage ? [analyzeStep(table, statementContext(run.context))] : [];
    return { units: [{ stage: 'switch', steps }], findings: [nothingLeft(situation)], refusal: null };
  }
  if (problem !== null) throw new KeeperError(problem);
  const found =
    strategy === 'attach' ? attachOutlook(run, situation, wish) : copyOutlook(run, situation, strategy, wish);
  return { ...found, units: upTo(found.units, wish.until) };
}
