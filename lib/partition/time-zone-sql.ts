/**
 * Names of zones that PostgreSQL takes for abbreviations: of a fixed offset, without summer time. In their place goes a
 * zone whose clocks have shown the same for decades, and which cannot be mistaken.
 */
const ABBREVIATIONS: Readonly<Record<string, string>> = {
  CET: 'Europe/Brussels',
  EET: 'Europe/Athens',
  EST: 'America/Panama',
  GMT: 'UTC',
  HST: 'Pacific/Honolulu',
  MET: 'Europe/Brussels',
  MST: 'America/Phoenix',
  UCT: 'UTC',
  UTC: 'UTC',
  WET: 'Europe/Lisbon',
  ZULU: 'UTC',
};

/** What `timeZoneSql` makes of an offset, as a regular expression of PostgreSQL. */
export const OFFSET_SQL = '^<[+-][0-9:]+>[+-][0-9:]+$';

/**
 * A zone of the config as PostgreSQL must be told it. An offset by itself would be read as POSIX means it, with the
 * sign the other way round: so it becomes a whole POSIX zone, the name of which is the offset.
 */
export function timeZoneSql(zone: string): string {
  const offset = /^([+-])(\d\d:\d\d)$/.exec(zone);
  if (offset !== null) return `<${zone}>${offset[1] === '-' ? '+' : '-'}${offset[2]}`;
  return ABBREVIATIONS[zone.toUpperCase()] ?? zone;
}
