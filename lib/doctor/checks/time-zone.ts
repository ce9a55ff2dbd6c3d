import type { Check } from '../../contract.ts';
import type { DoctorFacts } from '../facts.ts';
import { fine, found, some } from './check.ts';

/** Boundaries are computed here, by the rules that this process has; the server's are what the application sees. */
export function timeZoneChecks({ zones }: DoctorFacts): readonly Check[] {
  const names = [...new Set(zones.map(({ zone }) => zone))];
  const checks = names.flatMap((zone): Check[] => {
    const samples = zones.filter((sample) => sample.zone === zone);
    if (samples.some(({ serverMinutes }) => serverMinutes === null)) {
      return [
        found(
          'time-zone',
          'info',
          `The server does not know the time zone ${zone} of the config; boundaries are computed without it, but SQL of your own cannot use the name.`,
          'Use the name that SELECT name FROM pg_timezone_names has for it, or update the time zone data of the server.',
          { zone },
        ),
      ];
    }
    const apart = samples.filter(({ serverMinutes, localMinutes }) => serverMinutes !== localMinutes);
    const first = apart[0];
    if (first === undefined) return [];
    return [
      found(
        'time-zone',
        'warning',
        `Server and this program have different rules for ${zone}: from ${first.instant.toString()} on it is ${first.serverMinutes} minutes ahead of UTC there, and ${first.localMinutes} here. Boundaries are computed by the rules here.`,
        'Update whichever is older: PostgreSQL (or the tzdata of its system), or Node.',
        {
          zone,
          from: first.instant.toString(),
          serverMinutes: first.serverMinutes,
          localMinutes: first.localMinutes,
        },
      ),
    ];
  });
  return checks.length > 0
    ? checks
    : [
        fine(
          'time-zone',
          `server and this program have the same rules for ${some(names)} for five years to come`,
        ),
      ];
}
