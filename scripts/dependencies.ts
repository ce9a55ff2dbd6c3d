import { readFileSync } from 'node:fs';

/** A package as the lockfile has it. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Whether it runs a program of its own when it is installed. */
  readonly installs: boolean;
  /** Who gets it: users with the package, users within the bundled functions, or only those who develop it. */
  readonly use: 'package' | 'functions' | 'development';
  /** Comes inside another package, and is covered by the checksum of that one. */
  readonly bundled: boolean;
  readonly integrity: string | undefined;
  readonly resolved: string | undefined;
}

interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly inBundle?: boolean;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

/** Licences the lockfile does not tell, as the packages themselves have them. */
const UNTOLD: Readonly<Record<string, string>> = { buildcheck: 'MIT', 'cpu-features': 'MIT', ssh2: 'MIT' };

/** What `functions/` imports besides what the package depends on. */
const BUNDLED_INTO_FUNCTIONS = [
  '@aws-lambda-powertools/logger',
  '@aws-lambda-powertools/metrics',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/rds-signer',
  '@aws-sdk/client-lambda',
];

const FOLDER = 'node_modules/';

/** Where a package finds another one: in its own folder, or in that of a package around it. */
function locate(lock: Lock, from: string, name: string): string | undefined {
  for (let around = from; ; around = around.slice(0, Math.max(0, around.lastIndexOf(FOLDER) - 1))) {
    const path = `${around === '' ? '' : `${around}/`}${FOLDER}${name}`;
    if (path in lock) return path;
    if (around === '') return undefined;
  }
}

/** The packages some packages need, themselves included. */
function closure(lock: Lock, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (from: string, name: string): void => {
    const path = locate(lock, from, name);
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies: needed = {}, optionalDependencies: optional = {} } = lock[path] ?? {};
    for (const next of Object.keys({ ...needed, ...optional })) visit(path, next);
  };
  for (const name of names) visit('', name);
  return found;
}

/** Every package of the lockfile, by name and version. */
export function dependencies(): Dependency[] {
  const text = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  const { packages: lock } = JSON.parse(text) as { readonly packages: Lock };
  const inPackage = closure(lock, Object.keys(lock['']?.dependencies ?? {}));
  const inFunctions = closure(lock, BUNDLED_INTO_FUNCTIONS);
  return Object.entries(lock)
    .filter(([path]) => path !== '')
    .map(([path, locked]): Dependency => {
      const name = locked.name ?? path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
      return {
        name,
        version: locked.version ?? '',
        licence: locked.license ?? UNTOLD[name] ?? 'unknown',
        installs: locked.hasInstallScript === true,
        use: inPackage.has(path) ? 'package' : inFunctions.has(path) ? 'functions' : 'development',
        bundled: locked.inBundle === true,
        integrity: locked.integrity,
        resolved: locked.resolved,
      };
    })
    .toSorted((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1));
}

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Equal rows once: a package may be in several places. */
const once = (rows: readonly (readonly string[])[]): string[][] => [
  ...new Map(rows.map((row) => [row.join(' '), [...row]])).values(),
];

const tableOf = (some: readonly Dependency[]): string =>
  table(
    ['package', 'version', 'licence'],
    once(some.map(({ name, version, licence }) => [name, version, licence])),
  );

/** The document `docs/dependencies.md`. */
export function dependenciesText(): string {
  const all = dependencies();
  const used = (by: Dependency['use']) => all.filter(({ use, installs }) => use === by && !installs);
  return `# Dependencies

Written by \`npm run dependencies\` from the lockfile; a test keeps it up to date. Why each direct dependency is there is
in \`docs/decisions.md\`.

## What comes with the package

None of them runs a program when it is installed.

${tableOf(used('package'))}

## What is bundled into the functions besides

${tableOf(used('functions'))}

## What runs a program when it is installed

For development only: the servers of the tests (links to their libraries), Node and esbuild (the binary for this
system), and what comes with Testcontainers (optional compiled parts; a message).

${tableOf(all.filter(({ installs }) => installs))}

## What else is used for development

${tableOf(used('development'))}
`;
}
