import pg from 'pg';
import { type MockInstance, vi } from 'vitest';

/** A string, an identifier or a block in quotes, or a comment: what may contain a semicolon that ends nothing. */
const OPAQUE = /'(?:[^']|'')*'|[eE]'(?:[^'\\]|\\.|'')*'|"(?:[^"]|"")*"|--[^\n]*|\$(\w*)\$[\s\S]*?\$\1\$/y;

/** Cuts a script into statements as psql does. Lines that are commands to psql itself are left out. */
export function splitStatements(script: string): string[] {
  const text = script.replace(/^\\.*$/gm, '');
  const statements: string[] = [];
  let statement = '';
  for (let index = 0; index < text.length; ) {
    OPAQUE.lastIndex = index;
    const piece = OPAQUE.exec(text)?.[0] ?? text.charAt(index);
    index += piece.length;
    if (piece === ';') {
      statements.push(statement.trim());
      statement = '';
    } else if (!piece.startsWith('--')) {
      statement += piece;
    }
  }
  if (statement.trim() !== '') throw new Error(`The script ends within a statement: ${statement.trim()}`);
  return statements;
}

/** Notes every statement that any connection of this process sends, until it is disposed of. */
export function recordStatements(): { readonly sent: string[] } & Disposable {
  const sent: string[] = [];
  const original = pg.Client.prototype.query;
  const spy: MockInstance = vi.spyOn(pg.Client.prototype, 'query');
  spy.mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    if (typeof args[0] === 'string') sent.push(args[0]);
    return Reflect.apply(original, this, args);
  });
  return { sent, [Symbol.dispose]: () => spy.mockRestore() };
}

/** Parts what was sent into the statements of transactions that write, and the others. */
export function transactionsOf(sent: readonly string[]): { within: string[]; outside: string[] } {
  const within: string[] = [];
  const outside: string[] = [];
  let open = false;
  for (const statement of sent) {
    if (statement === 'BEGIN') open = true;
    (open ? within : outside).push(statement);
    if (statement === 'COMMIT') open = false;
  }
  return { within, outside };
}

/**
 * Does something the first time a connection of this process is about to send a statement that matches; the statement
 * is sent when that is done.
 * @param act is given the connection
 */
export function beforeStatement(pattern: RegExp, act: (client: pg.Client) => Promise<unknown>): Disposable {
  const original = pg.Client.prototype.query;
  const spy: MockInstance = vi.spyOn(pg.Client.prototype, 'query');
  let done = false;
  spy.mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const send = () => Reflect.apply(original, this, args);
    if (done || typeof args[0] !== 'string' || !pattern.test(args[0])) return send();
    done = true;
    return act(this).then(send);
  });
  return { [Symbol.dispose]: () => spy.mockRestore() };
}
