import { inject } from 'vitest';
import { postgresVersions } from '../../support/embedded-server.ts';

/**
 * What of many cases this version of the server takes. On one version it is all of them; where several are tested at
 * once, each takes some, so that together they take all in bearable time.
 */
export function shareOf<Case>(cases: readonly Case[]): Case[] {
  const matrix = process.env['PG_MATRIX'];
  if (!matrix) return [...cases];
  const versions = matrix === 'all' ? postgresVersions.map(String) : matrix.split(',');
  const turn = versions.indexOf(String(inject('serverVersion')));
  return cases.filter((_, place) => place % versions.length === turn);
}
