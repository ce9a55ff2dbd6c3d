/** One instruction of a Dockerfile. */
export interface Instruction {
  /** In capitals: `COPY`. */
  readonly name: string;
  /** What stands behind it, continued lines joined. */
  readonly text: string;
}

/** The instructions of one stage, from `FROM` on. */
export type Stage = readonly Instruction[];

/**
 * Reads a Dockerfile, as far as ours goes: no heredocs, no directives.
 * @throws Error on a line that begins with no instruction
 */
export function stagesOf(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`This is no instruction: ${line}`);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, text: rest });
  }
  return stages;
}

/** What stands behind the last instruction of that name in the stage, for it is the one that counts. */
export function lastOf(stage: Stage, name: string): string {
  const found = stage.findLast((instruction) => instruction.name === name);
  if (found === undefined) throw new Error(`The stage has no ${name}.`);
  return found.text;
}

/** The words of a command in exec form, behind options such as those of HEALTHCHECK. */
export function execForm(text: string): string[] {
  const words: unknown = JSON.parse(text.slice(text.indexOf('[')));
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words;
  throw new Error(`This is not a command in exec form: ${text}`);
}

/** Variables that the stage sets, one for each ENV. */
export const environmentOf = (stage: Stage): Record<string, string> =>
  Object.fromEntries(
    stage
      .filter(({ name }) => name === 'ENV')
      .map(({ text }) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
