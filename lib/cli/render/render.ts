import type { Report } from '../../contract.ts';
import type { Format } from '../invocation.ts';
import { legible } from './legible.ts';
import { renderPretty } from './pretty.ts';
import { renderSql } from './sql.ts';
import { styleFor } from './style.ts';

export interface RenderOptions {
  readonly format: Format;
  readonly env: NodeJS.ProcessEnv;
  /** Single tables were asked for: tell more of them. */
  readonly detailed: boolean;
}

/** Writes the report to stdout: as text for people, as one JSON object, or as a script for psql. */
export function render(report: Report, options: RenderOptions): void {
  const { format, env, detailed } = options;
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else if (format === 'sql') {
    process.stdout.write(renderSql(report));
  } else {
    const width = process.stdout.isTTY ? process.stdout.columns : 120;
    const style = styleFor(process.stdout, env);
    process.stdout.write(renderPretty(legible(report), { style, width, detailed }));
  }
}
