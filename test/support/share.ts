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
  // A step further in each round: cases may come in an order that repeats itself, and no version is to get one kind alone.
  const turnOf = (place: number): number => (place + Math.floor(place / versions.length)) % versions.length;
  return cases.filter((_, place) => turnOf(place) === turn);
}
