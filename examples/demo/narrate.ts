import pc from 'picocolors';

/** What the demo says between the commands. */

export function heading(text: string): void {
  console.log(`\n${pc.bold(text)}`);
}

export function say(text: string): void {
  console.log(text);
}

export const inWords = (amount: number): string => amount.toLocaleString('en-US');

/** What is about to be run, as one would type it. */
export function prompt(sign: '$' | 'sql>', text: string): void {
  console.log(`${pc.green(sign)} ${pc.cyan(text)}`);
}

export function agrees(text: string): void {
  console.log(`${pc.green('✓')} ${text}`);
}

/** An error of the server, the way psql shows it. */
export function serverError({ message, detail }: { message: string; detail?: string | undefined }): void {
  console.log(pc.red(`ERROR:  ${message}`));
  if (detail !== undefined) console.log(pc.red(`DETAIL:  ${detail}`));
}

/** Goes to stderr: the demo did not go as it should. */
export function failure(text: string): void {
  console.error(`\n${pc.red('✗')} ${text}`);
}
