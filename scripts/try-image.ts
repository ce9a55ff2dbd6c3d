import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentOf, execForm, lastOf, type Stage, stagesOf } from '../support/dockerfile.ts';
import { tryServing } from '../support/try-serving.ts';

/**
 * Does what the Dockerfile says without Docker, each stage in a folder that stands for its file system, and tries
 * what comes of it. Node is the one of this project, and nothing is isolated: it shows that the files that are copied
 * are enough and that the commands work.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** What .dockerignore lets through: it excludes everything and lists exceptions. */
const [everything, ...exceptions] = read('.dockerignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const allowed = exceptions.map((line) => line.replace(/^!/, ''));
if (everything !== '*' || exceptions.some((line) => !line.startsWith('!')))
  throw new Error('.dockerignore does not exclude everything but what it lists.');

/** Absolute paths of the image, inside the folder of its stage. */
const inside = (folder: string, text: string): string =>
  text.replace(/(?<![\w.])\/(app|usr)\b/g, `${folder}/$1`);

function copy(folder: string, workdir: string, text: string, stages: ReadonlyMap<string, string>): void {
  const words = text.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? stages.get(words.shift()?.slice(7) ?? '') : undefined;
  const target = words.pop() ?? '.';
  const destination = join(folder, posix.resolve(workdir, target));
  for (const source of words) {
    if (from === undefined && !allowed.includes(source)) throw new Error(`.dockerignore hides ${source}.`);
    const path = from === undefined ? join(root, source) : join(from, source);
    // As Docker does: the contents of a folder, but a file under its name.
    const isFolder = statSync(path).isDirectory();
    cpSync(path, isFolder ? destination : join(destination, basename(source)), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
}

/** Has been done in this project, from the same lockfile, and takes its time. */
const INSTALL_ALL = 'npm ci --ignore-scripts';

function build(stage: Stage, folder: string, stages: ReadonlyMap<string, string>): string {
  let workdir = '/';
  mkdirSync(join(folder, 'usr/local/bin'), { recursive: true });
  const env = { ...process.env };
  for (const { name, text } of stage) {
    if (name === 'WORKDIR') {
      workdir = text;
      mkdirSync(join(folder, workdir), { recursive: true });
    } else if (name === 'ENV') {
      Object.assign(env, environmentOf([{ name, text }]));
    } else if (name === 'COPY') {
      copy(folder, workdir, text, stages);
    } else if (name === 'RUN' && text === INSTALL_ALL) {
      symlinkSync(join(root, 'node_modules'), join(folder, workdir, 'node_modules'));
    } else if (name === 'RUN') {
      console.log(`RUN ${text}`);
      const { status } = spawnSync('sh', ['-c', inside(folder, text)], {
        cwd: join(folder, workdir),
        env,
        stdio: 'inherit',
      });
      if (status !== 0) throw new Error(`RUN ${text} has failed.`);
    }
  }
  return join(folder, workdir);
}

const scratch = mkdtempSync(join(tmpdir(), 'partition-keeper-image-'));
try {
  const stages = stagesOf(read('Dockerfile'));
  const folders = new Map<string, string>();
  let workdir = scratch;
  stages.forEach((stage, index) => {
    const name = / AS (\S+)$/.exec(lastOf(stage, 'FROM'))?.[1] ?? 'final';
    const folder = join(scratch, `${index}-${name}`);
    workdir = build(stage, folder, folders);
    folders.set(name, folder);
  });
  const image = stages.at(-1);
  const folder = folders.get('final');
  if (image === undefined || folder === undefined) throw new Error('The last stage has a name.');

  const table = { schema: 'public', table: 'events', partitionKey: 'created_at', interval: 'month' };
  const config = `import { defineConfig } from 'partition-keeper';\nexport default defineConfig({ tables: [${JSON.stringify(table)}] });\n`;
  writeFileSync(join(workdir, 'partitions.config.ts'), config);
  // As USER has it: not as root.
  spawnSync('chmod', ['711', scratch]);
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const { PATH } = process.env;
  const common = { cwd: workdir, env: { PATH, ...environmentOf(image) }, ...nobody };
  const words = [...execForm(lastOf(image, 'ENTRYPOINT')), ...execForm(lastOf(image, 'CMD'))];
  await tryServing(
    { ...common, words: words.map((word) => inside(folder, word)) },
    { ...common, words: execForm(lastOf(image, 'HEALTHCHECK')) },
  );
  const link = spawnSync(join(folder, 'usr/local/bin/partition-keeper'), ['--version'], common);
  if (link.status !== 0) throw new Error('The command partition-keeper does not work.');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
