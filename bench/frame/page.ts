import type { Result } from './model.ts';
import { toMarkdown } from './table.ts';

/** The part of a document that shows the result of a benchmark. */
export function toPage({ bench, conditions, remarks, tables, charts }: Result, folder: string): string {
  const { date, machine, versions, command, beside } = conditions;
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date} with \`${command}\`: ${machine}; ${versionList.join(', ')}.${
      beside === null ? '' : ` Meanwhile: ${beside}.`
    }`,
    ...remarks,
    ...tables.map((table) => `**${table.title}**\n\n${toMarkdown(table)}`),
    ...charts.map(({ name, title }) => `![${title}](${folder}/${bench}-${name}.svg)`),
  ].join('\n\n');
}
