/**
 * Runs a command with DATABASE_URL set to a new, empty database on an embedded server, and ends as the command does:
 * `npm run with-server -- npm --prefix examples/prisma run check`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { startEmbeddedServer, stopOnSignals } from '../support/embedded-server.ts';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error('Usage: npm run with-server -- <command> [argument ...]');
  process.exit(2);
}

const server = await startEmbeddedServer();
stopOnSignals(server);
try {
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query('CREATE DATABASE app TEMPLATE template0');
  await admin.end();
  const url = new URL(server.url);
  url.pathname = '/app';
  const child = spawn(command, args, { env: { ...process.env, DATABASE_URL: url.href }, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
} finally {
  await server.stop();
}
