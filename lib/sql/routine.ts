import { qualified, quoteLiteral } from '../partition/identifiers.ts';
import { dollarQuoted } from '../postgres/statements/common.ts';

/** A function or procedure of the script. */
export interface Routine {
  readonly kind: 'sql' | 'plpgsql' | 'procedure';
  readonly name: string;
  /** As they are declared: mode, name, type, default. */
  readonly parameters: readonly string[];
  /** What a function returns; absent: what its OUT parameters say. */
  readonly returns?: string;
  /** Settings besides those every function has. */
  readonly settings?: readonly string[];
  readonly body: string;
  /** A few words for people who find it in the catalog. */
  readonly about: string;
}

/** How the comments of everything the script makes begin: it is recognised by that. */
export const COMMENT_PREFIX = 'Partition Keeper: ';

/**
 * Nothing that surrounds a call may change what it means. A procedure that commits may have no settings of its own,
 * and leaves all that matters to functions.
 */
const SETTINGS = [
  'search_path = pg_catalog, pg_temp',
  "TimeZone = 'UTC'",
  "DateStyle = 'ISO, YMD'",
  'quote_all_identifiers = off',
  'standard_conforming_strings = on',
];

const objectKind = ({ kind }: Routine): string => (kind === 'procedure' ? 'PROCEDURE' : 'FUNCTION');

/** Without defaults, which are no part of what a routine is told apart by. */
const signature = ({ parameters }: Routine): string =>
  `(${parameters.map((parameter) => parameter.replace(/ DEFAULT .*$/, '')).join(', ')})`;

/** An older version that is declared in another way cannot be replaced: it has to go first. */
const commentOf = (routine: Routine): string =>
  `${COMMENT_PREFIX}${routine.about}\n${objectKind(routine)} ${routine.name}${signature(routine)} ${routine.returns ?? ''}`.trim();

export function createRoutine(schema: string, routine: Routine): string {
  const { kind, name, parameters, returns, body, settings = [] } = routine;
  const object = `${objectKind(routine)} ${qualified(schema, name)}`;
  return [
    `CREATE OR REPLACE ${object}(${parameters.join(', ')})`,
    ...(returns === undefined ? [] : [`RETURNS ${returns}`]),
    `LANGUAGE ${kind === 'sql' ? 'sql' : 'plpgsql'} SECURITY INVOKER`,
    ...(kind === 'procedure' ? [] : [...SETTINGS, ...settings].map((setting) => `SET ${setting}`)),
    `AS ${dollarQuoted(body)};`,
    `COMMENT ON ${object}${signature(routine)} IS ${quoteLiteral(commentOf(routine))};`,
  ].join('\n');
}

/**
 * Drops what the script has made in the schema.
 * @param but what is left, to be replaced
 */
export function dropRoutines(schema: string, but: readonly Routine[]): string {
  const kept = but.map((routine) => quoteLiteral(commentOf(routine)));
  return `DO ${dollarQuoted(`
DECLARE
  routine pg_catalog.text;
BEGIN
  FOR routine IN
    SELECT r.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc AS r
    JOIN pg_catalog.pg_namespace AS n ON n.oid = r.pronamespace
    CROSS JOIN LATERAL pg_catalog.obj_description(r.oid, 'pg_proc') AS d(comment)
    WHERE n.nspname = ${quoteLiteral(schema)} AND pg_catalog.starts_with(d.comment, ${quoteLiteral(COMMENT_PREFIX)})
      AND d.comment <> ALL (ARRAY[${kept.join(',\n        ')}]::pg_catalog.text[])
  LOOP
    EXECUTE pg_catalog.format('DROP ROUTINE %s', routine);
  END LOOP;
END`)};`;
}
