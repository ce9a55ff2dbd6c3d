/**
 * Runs a handler as AWS's runtime client for Node.js does: loads it from LAMBDA_TASK_ROOT by the name in _HANDLER,
 * then asks the Runtime API for invocations and answers them, one after the other, until it is ended.
 * In JavaScript, so that it starts without anything of this project.
 */
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const { AWS_LAMBDA_RUNTIME_API: api, LAMBDA_TASK_ROOT: taskRoot, _HANDLER: handlerName } = process.env;
const agent = new Agent({ keepAlive: true });

/** Not `fetch`, which would give up when nobody invokes the function for five minutes. */
function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request(`http://${api}/2018-06-01/runtime/${path}`, { method, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode < 300) resolve({ headers: response.headers, text });
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const described = (error) =>
  error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') ?? [] }
    : { errorType: typeof error, errorMessage: String(error), trace: [] };

/** As with the log format JSON: what is written by the console becomes a record, and so is no metric any more. */
function wrapConsole(requestId) {
  for (const level of ['debug', 'info', 'log', 'warn', 'error']) {
    console[level] = (...values) => {
      const record = { timestamp: new Date().toISOString(), level, requestId, message: format(...values) };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    };
  }
}

/** CommonJS by `require`, modules by `import`, as the ending tells. */
async function loadHandler() {
  const dot = handlerName.lastIndexOf('.');
  const path = join(taskRoot, handlerName.slice(0, dot));
  const file = ['.js', '.mjs', '.cjs'].map((ending) => path + ending).find(existsSync);
  if (file === undefined) throw new Error(`There is no module ${path}`);
  const loaded = file.endsWith('.cjs')
    ? createRequire(import.meta.url)(file)
    : await import(pathToFileURL(file).href);
  const handler = loaded[handlerName.slice(dot + 1)];
  if (typeof handler !== 'function') throw new Error(`${handlerName} is not a function`);
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    clientContext: JSON.parse(headers['lambda-runtime-client-context'] ?? 'null') ?? undefined,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

async function answer(handler, { headers, text }) {
  const context = contextOf(headers);
  process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  wrapConsole(context.awsRequestId);
  try {
    const result = await handler(JSON.parse(text), context);
    return { kind: 'response', body: result ?? null };
  } catch (error) {
    return { kind: 'error', body: described(error) };
  }
}

wrapConsole(null);
let handler;
try {
  handler = await loadHandler();
} catch (error) {
  await ask('POST', 'init/error', described(error));
  process.exit(129);
}
while (true) {
  const invocation = await ask('GET', 'invocation/next');
  const { kind, body } = await answer(handler, invocation);
  await ask('POST', `invocation/${invocation.headers['lambda-runtime-aws-request-id']}/${kind}`, body);
}
