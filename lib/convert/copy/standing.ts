import type { Finding } from '../../contract.ts';
import { displayName, shellWord } from '../../partition/identifiers.ts';
import { replacedName } from '../names.ts';
import type { Situation } from '../situation.ts';
import { durationsOf, inWords, sizeOf, stepsLeft } from '../size.ts';
import { columnDifferences } from './columns.ts';
import { changedSince, dependingOn } from './since.ts';
import type { CopyStrategy } from './strategy.ts';
import { foundEqual } from './verified.ts';

type Phase =
  | 'not begun'
  | 'copying'
  | 'copied'
  | 'following'
  | 'verified'
  | 'replaced'
  | 'replaced, not followed';

function phaseOf(situation: Situation): Phase {
  const { copy } = situation;
  if (copy === null) return 'not begun';
  if (copy.phase === 'after') return copy.captured ? 'replaced' : 'replaced, not followed';
  if (foundEqual(copy)) return 'verified';
  if (copy.follows !== null) return 'following';
  return copy.log?.progress?.copied === true ? 'copied' : 'copying';
}

/** How far a conversion by copy is, how much there is to copy, and what can be done next. */
export function copyStanding(situation: Situation, strategy: CopyStrategy, left: number): Finding {
  const { table, copy, config } = situation;
  const phase = phaseOf(situation);
  const name = displayName(table.schema, table.name);
  const command = `npx partition-keeper ${strategy === 'unconvert' ? 'unconvert' : 'convert'} ${shellWord(`${config.schema}.${config.table}`)}${copy === null && strategy !== 'unconvert' ? ` --strategy ${strategy}` : ''}`;
  const replaced = displayName(table.schema, replacedName(table.name));
  const { copy: copying, index, read } = durationsOf(table);
  const indexes = table.indexes.length;
  const size = `${sizeOf(table)}, for which the disk needs as much room again, and the log as much again for a while; copying may take ${copying} s, ${indexes === 1 ? 'the index' : `${indexes} indexes`} ${index * indexes} s, the comparison ${2 * read + 2 * copying} s`;
  const outstanding = copy?.log?.outstanding ?? 'none';
  const unlike = [
    ...(copy?.phase === 'after'
      ? [
          ...columnDifferences(table, copy.other),
          ...changedSince(table, copy.other).map(({ what }) => `${what}, unlike ${name}`),
        ]
      : []),
    ...(copy?.log?.outside === true ? ['no partition for some of its rows'] : []),
  ];
  const depending = copy?.phase === 'after' ? dependingOn(table).map(({ what }) => what) : [];
  const undoable =
    unlike.length > 0
      ? `, but has ${unlike.join(', and ')}; it can be undone once it has the same`
      : depending.length > 0
        ? `; it cannot be undone as long as ${depending.join(', and ')}`
        : ', so that the conversion can be undone without a loss';
  const messages: Record<Phase, string> = {
    'not begun':
      left === 0
        ? `No conversion of ${name} is under way.`
        : `The conversion of ${name} has not begun; ${stepsLeft(left)} (${size}).`,
    copying: `${inWords(copy?.log?.progress?.rows ?? 0)} rows of ${name} have been copied; ${stepsLeft(left)} (${size}).`,
    copied: `The rows of ${name} have been copied; ${stepsLeft(left)}.`,
    following: `${name} has a copy that follows it; ${stepsLeft(left)}.`,
    verified: `${name} has a copy that follows it and has been compared with it; ${stepsLeft(left)}.`,
    replaced: `${name} has been converted. ${replaced} follows it${outstanding === 'none' ? '' : ', with changes that are to be taken over'}${undoable}.`,
    'replaced, not followed': `${name} has been converted. ${replaced} does not follow it any more and is to be removed.`,
  };
  const remedies: Partial<Record<Phase, string>> = {
    replaced: `${command} --finish removes ${replaced}; ${command} --undo puts it back.`,
    'replaced, not followed': `${command} --finish`,
  };
  return {
    finding: 'conversion',
    severity: 'info',
    message: messages[phase],
    remedy: remedies[phase] ?? command,
    facts: {
      phase,
      strategy,
      stepsLeft: left,
      rows: table.rows,
      bytes: table.bytes,
      rowsCopied: copy?.log?.progress?.rows ?? null,
      outstanding,
      verifiedAt: copy?.log?.progress?.verified?.at ?? null,
    },
  };
}

/** What a comparison has found, as long as it stands. */
export function comparisonFindings({ copy }: Situation): Finding[] {
  const verified = copy?.log?.progress?.verified;
  if (copy === null || verified === undefined || verified.differences === 0) return [];
  return [
    {
      finding: 'conversion',
      severity: 'warning',
      message: `${verified.differences} rows of ${displayName(copy.other.schema, copy.other.name)} differed at ${verified.at}: ${verified.examples.join(', ')}. They are taken over anew, and compared again.`,
      remedy: 'Look for what has changed them: nobody should write to that table.',
      facts: {
        differences: verified.differences,
        examples: verified.examples,
        verifiedAt: verified.at,
      },
    },
  ];
}
