import type { Finding, Severity } from '../contract.ts';
import { defaultFindings } from './health/default-rows.ts';
import { environmentFindings } from './health/environment.ts';
import { missingFindings } from './health/missing.ts';
import { pendingFindings, retentionFindings } from './health/retention.ts';
import { indexFindings, shapeFindings, sizeFindings } from './health/structure.ts';
import { type HealthInput, viewOf } from './health/view.ts';

export { gaugesOf } from './health/gauges.ts';
export type { HealthInput } from './health/view.ts';

const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'info'];

/** Every finding about one table, worst first. */
export function findingsOf(input: HealthInput): Finding[] {
  const view = viewOf(input);
  return [
    ...missingFindings(view),
    ...environmentFindings(view),
    ...pendingFindings(view),
    ...defaultFindings(view),
    ...retentionFindings(view),
    ...indexFindings(view),
    ...sizeFindings(view),
    ...shapeFindings(view),
  ].toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
