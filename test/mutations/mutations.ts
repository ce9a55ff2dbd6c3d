// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are pieces of source text.

/** A mistake somebody could make, and the tests that must not let it pass. */
export interface Mutation {
  /** What is wrong then, for people. */
  readonly mistake: string;
  /** The source file, and the one place in it that is changed. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The file of tests that catches it. */
  readonly caughtBy: string;
  /** The tests of that file that are run, as a pattern; all unless given. */
  readonly only?: string;
}

/** Mistakes of the planners: they judge wrongly what is to be removed or created. */
const PLANNERS: readonly Mutation[] = [
  {
    mistake: 'retention compares the lower bound instead of the upper one',
    file: 'lib/partition/schedule.ts',
    from: 'const end = latest(range.to);',
    to: 'const end = latest(isBounded(range.from) ? range.from : range.to);',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'is what lies before the cutoff',
  },
  {
    mistake: 'a partition that ends exactly at the cutoff is kept',
    file: 'lib/partition/schedule.ts',
    from: 'if (isBefore(cutoff, end)) return false;',
    to: 'if (!isBefore(end, cutoff)) return false;',
    caughtBy: 'test/unit/partition/schedule.test.ts',
  },
  {
    mistake: 'a bound by the wall clock stands for the earlier of the instants that it can mean',
    file: 'lib/partition/key-type.ts',
    from: "return wall.toZonedDateTime(timeZone, { disambiguation: 'later' }).toInstant();",
    to: "return wall.toZonedDateTime(timeZone, { disambiguation: 'earlier' }).toInstant();",
    caughtBy: 'test/integration/retention-model.test.ts',
  },
  {
    mistake: 'instants are taken for times by the wall clock of the config',
    file: 'lib/partition/schedule.ts',
    from: 'instantAt(keyType, timeZone, upperBound);',
    to: "instantAt('timestamp', timeZone, upperBound);",
    caughtBy: 'test/unit/partition/two-zones.test.ts',
  },
  {
    mistake: 'the newest partition is removed like any other',
    file: 'lib/partition/plan-cleanup.ts',
    from: 'partition !== newest &&',
    to: '(partition !== newest || true) &&',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'is never the default',
  },
  {
    mistake: 'partitions that foreign keys refer to are removed',
    file: 'lib/partition/plan-cleanup.ts',
    from: '(partition) => partition.referencedBy.length === 0 && isAsked(partition),',
    to: '(partition) => isAsked(partition),',
    caughtBy: 'test/unit/partition/plan-cleanup.test.ts',
  },
  {
    mistake: "a detach that somebody else began is taken for one's own",
    file: 'lib/partition/plan-cleanup.ts',
    from: 'partition.marker !== null && partition.marker.parentOid === table.oid;',
    to: 'partition.oid !== table.oid;',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'of somebody else is left alone',
  },
  {
    mistake: 'most of a table may go without approval',
    file: 'lib/partition/plan-cleanup.ts',
    from: 'if (share > config.maxExpiredShare) {',
    to: 'if (share > 1 + config.maxExpiredShare) {',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'refuses to remove more than the share allowed',
  },
  {
    mistake: 'clocks that disagree are not noticed',
    file: 'lib/partition/plan-cleanup.ts',
    from: 'if (apartByAnHour(serverClock, localClock)) {',
    to: 'if (apartByAnHour(serverClock, serverClock) && apartByAnHour(localClock, localClock)) {',
    caughtBy: 'test/unit/partition/plan-cleanup.test.ts',
  },
  {
    mistake: 'a grace is forgotten',
    file: 'lib/partition/plan-cleanup.ts',
    from: 'if (config.grace === null) return true;',
    to: 'if (config.grace === null || now !== null) return true;',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'a partition is detached first, and dropped when its time has come',
  },
  {
    mistake: 'create makes partitions that retention would remove at once',
    file: 'lib/partition/plan-create.ts',
    from: 'if (!schedule.expired(gap.range)) gaps.push(gap);',
    to: 'gaps.push(gap);',
    caughtBy: 'test/unit/partition/plan-create.test.ts',
  },
  {
    mistake: 'a marker counts whoever owns the table it is on',
    file: 'lib/postgres/inspect/assemble.ts',
    from: 'if (row.owner !== parent.owner) return [];',
    to: '',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'a table with a marker is not dropped',
  },
  {
    mistake: 'a marker counts by its oid, whatever table has the name that is beside it',
    file: 'lib/postgres/inspect/detached.ts',
    from: "return byName || namesakeOid === null ? 'ours' : 'doubtful';",
    to: "return 'ours';",
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'of another table of the config',
  },
];

/** Mistakes of the statements: the transaction that removes or moves does not look again, or takes too much. */
const STATEMENTS: readonly Mutation[] = [
  {
    mistake: 'the transaction that drops does not compare the oid',
    file: 'lib/postgres/statements/remove.ts',
    from: 'WHERE c.oid = ${partition.oid} AND c.relname = ${quoteLiteral(partition.name)} AND n.nspname',
    to: 'WHERE c.relname = ${quoteLiteral(partition.name)} AND n.nspname',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'when the partition to be dropped',
  },
  {
    mistake: 'the transaction that drops does not compare the bounds',
    file: 'lib/postgres/statements/remove.ts',
    from: 'AND pg_catalog.pg_get_expr(c.relpartbound, 0) = ${quoteLiteral(partition.boundsText)}',
    to: '',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'when the partition to be dropped',
  },
  {
    mistake: 'a detached table is dropped though it was attached again',
    file: 'lib/postgres/statements/remove.ts',
    from: 'AND NOT c.relispartition AND pg_catalog.pg_get_userbyid',
    to: 'AND pg_catalog.pg_get_userbyid',
    caughtBy: 'test/integration/detach.test.ts',
    only: 'while a run waits to drop it, is kept',
  },
  {
    mistake: 'what depends on a partition is dropped with it',
    file: 'lib/postgres/statements/remove.ts',
    from: '`DROP ${tableSql(partition)}`;',
    to: '`DROP ${tableSql(partition)} CASCADE`;',
    caughtBy: 'test/integration/cleanup.test.ts',
    only: 'when a view is made from it',
  },
  {
    mistake: 'rows that were written while others were copied are deleted without a copy',
    file: 'lib/postgres/statements/move-rows.ts',
    from: '    synchronize(table, source, step, partition),\n    deleteMoved(',
    to: '    deleteMoved(',
    caughtBy: 'test/integration/default-partition.test.ts',
    only: 'gives up rows that were written while others were copied',
  },
  {
    mistake: 'values of a column that was added since the plan was made are not copied',
    file: 'lib/postgres/statements/move-rows.ts',
    from: '    columnsAsPlanned(table),\n',
    to: '',
    caughtBy: 'test/integration/default-partition.test.ts',
    only: 'keeps its rows where a column was added',
  },
  {
    mistake: 'a transaction has no lock timeout',
    file: 'lib/postgres/statements/common.ts',
    from: "`SET LOCAL lock_timeout = '${context.lockTimeoutMs}ms'`,",
    to: '"SET LOCAL lock_timeout = \'20s\'",',
    caughtBy: 'test/integration/locks.test.ts',
    only: 'give up soon, wait outside',
  },
];

/** Mistakes of the executor: it does too much, too little, or at the wrong time. */
const EXECUTOR: readonly Mutation[] = [
  {
    mistake: 'a detach that is pending is not finalized',
    file: 'lib/postgres/apply/apply.ts',
    from: "if (step.kind === 'detach') return status === 'done' && (await detachIsPending(context.client, step));",
    to: "if (step.kind === 'detach') return false;",
    caughtBy: 'test/integration/detach.test.ts',
    only: 'do not keep an expired partition alive',
  },
  {
    mistake: 'a detached table loses its marker when a later statement fails',
    file: 'lib/postgres/apply/apply.ts',
    from: "if (attachment !== 'attached' && !theirs) return;",
    to: '',
    caughtBy: 'test/integration/faults/kill.test.ts',
    only: 'cleanup that detaches .*may break',
  },
  {
    mistake: 'a detach that the server refuses leaves its marker behind',
    file: 'lib/postgres/apply/apply.ts',
    from: 'for (const statement of step.undo) await client.query(statement);',
    to: '',
    caughtBy: 'test/integration/detach.test.ts',
    only: 'a detach that the server refuses',
  },
  {
    mistake: 'a step waits in the queue for locks instead of outside of it',
    file: 'lib/postgres/apply/patience.ts',
    from: 'if (long.length === 0 && !doubtful) return;',
    to: 'if (now > 0) return;',
    caughtBy: 'test/integration/stall.test.ts',
    only: 'with a default partition: false, foreign keys: true, least privilege: false',
  },
  {
    mistake: 'the advisory lock against a second run is ignored',
    file: 'lib/postgres/advisory-lock.ts',
    from: 'pg_try_advisory_lock(k.key) AS taken',
    to: 'pg_try_advisory_lock(k.key) OR true AS taken',
    caughtBy: 'test/integration/isolation.test.ts',
  },
  {
    mistake: 'one partition that fails keeps the others from their turn',
    file: 'lib/jobs/execute.ts',
    from: 'ended = outcomes.some(endsTable);',
    to: 'ended = errors.length > 0;',
    caughtBy: 'test/integration/isolation.test.ts',
    only: 'a partition whose creation fails',
  },
  {
    mistake: 'a table is inspected before its advisory lock is taken',
    file: 'lib/jobs/run.ts',
    from: `    const ours = dryRun ? tables.map(() => true) : await takeTableLocks(run.session.client, tables);
    // Inspected only now: what another run did until it let go of its locks is seen.
    const inspected = await inspect(run.session.client, tables);`,
    to: `    const inspected = await inspect(run.session.client, tables);
    const ours = dryRun ? tables.map(() => true) : await takeTableLocks(run.session.client, tables);`,
    caughtBy: 'test/integration/isolation.test.ts',
    only: 'sees what that one has done',
  },
  {
    mistake: 'a deadlock is taken for the end of the matter',
    file: 'lib/postgres/sqlstate.ts',
    from: 'new Set([SQLSTATE.lockNotAvailable, SQLSTATE.deadlock])',
    to: 'new Set([SQLSTATE.lockNotAvailable])',
    caughtBy: 'test/integration/faults/deadlock.test.ts',
  },
  {
    mistake: 'the session keeps the time zone of the role, the database or the server',
    file: 'lib/postgres/session.ts',
    from: "  TimeZone: 'UTC',\n",
    to: '',
    caughtBy: 'test/integration/time-zones.test.ts',
  },
];

/** Mistakes of a conversion: it trusts what others have left, or forgets what it has seen. */
const CONVERSION: readonly Mutation[] = [
  {
    mistake: 'a marker of a conversion counts whoever owns the table it is on',
    file: 'lib/convert/prepared.ts',
    from: 'if (parent === null || parent.owner !== table.owner) return null;',
    to: 'if (parent === null) return null;',
    caughtBy: 'test/integration/security/injection.test.ts',
    only: 'a conversion marker .*on a table of another owner',
  },
  {
    mistake: 'rows in what a conversion has prepared are thrown away with it',
    file: 'lib/convert/attach/discard.ts',
    from: '    AND NOT EXISTS (SELECT FROM ${nameOf(parent)})`,',
    to: '`,',
    caughtBy: 'test/integration/convert/undo.test.ts',
    only: 'that somebody has put into what was prepared',
  },
  {
    mistake: 'the switch does not see that the table was changed since it was looked at',
    file: 'lib/convert/switch/switch.ts',
    from: '    AND ${fingerprintSql(table.oid, table.keyColumn)} = ${quoteLiteral(table.fingerprint)}`,',
    to: '`,',
    caughtBy: 'test/integration/convert/switch.test.ts',
    only: 'is not switched',
  },
  {
    mistake: 'the switch takes whatever has the name of the partitioned table to be',
    file: 'lib/convert/switch/switch.ts',
    from: "'pg_class') = ${quoteLiteral(conversionText(marker))}",
    to: "'pg_class') IS NOT NULL",
    caughtBy: 'test/integration/convert/switch.test.ts',
    only: 'is not switched',
  },
  {
    mistake: 'the check of the boundary is taken for validated',
    file: 'lib/convert/switch/switch.ts',
    from: ' AND k.convalidated)',
    to: ')',
    caughtBy: 'test/integration/convert/switch.test.ts',
    only: 'is not switched',
  },
  {
    mistake: 'identity columns begin anew after a conversion',
    file: 'lib/convert/switch/sequences.ts',
    from: '    setValue(name, interim),\n',
    to: '',
    caughtBy: 'test/integration/convert/attach.test.ts',
    only: 'an identity that is always generated',
  },
];

/** Mistakes that open a door. */
const SECURITY: readonly Mutation[] = [
  {
    mistake: 'a quote within a name ends the name',
    file: 'lib/partition/identifiers.ts',
    from: '`"${name.replaceAll(\'"\', \'""\')}"`;',
    to: '`"${name}"`;',
    caughtBy: 'test/integration/security/injection.test.ts',
    only: 'no name or comment',
  },
  {
    mistake: 'a payload may have keys that nobody knows',
    file: 'lib/config/payload.ts',
    from: 'health: v.strictObject({ tables }),',
    to: 'health: v.object({ tables }),',
    caughtBy: 'test/integration/security/injection.test.ts',
    only: 'a payload is taken by its form',
  },
  {
    mistake: 'the name of a partition that nobody has is passed over in a payload',
    file: 'lib/jobs/jobs.ts',
    from: 'if (unknown.size > 0) throw',
    to: 'if (unknown.size === names.length) throw',
    caughtBy: 'test/integration/security/injection.test.ts',
    only: 'whose words are hostile',
  },
  {
    mistake: 'where the server has no TLS, a connection that asks for it is made without',
    file: 'lib/postgres/connect.ts',
    from: "const negotiable = !isSocket(host) && tls.mode !== 'disable';",
    to: "const negotiable = !isSocket(host) && tls.mode !== 'disable' && (await serverOffersTls(host, port, connectTimeoutMs));",
    caughtBy: 'test/integration/connection.test.ts',
    only: 'and the server has no TLS',
  },
  {
    mistake: 'ssl=true in a database URL is passed over',
    file: 'lib/postgres/tls-settings.ts',
    from: "parameters.get('ssl') === 'true' || ",
    to: '',
    caughtBy: 'test/unit/postgres/tls-settings.test.ts',
  },
  {
    mistake: 'control characters in names reach the terminal',
    file: 'lib/cli/render/render.ts',
    from: 'renderPretty(legible(report), ',
    to: 'renderPretty(report, ',
    caughtBy: 'test/integration/security/injection.test.ts',
    only: 'what is shown to people',
  },
  {
    mistake: 'nobody is told which statement gives the right to move rows',
    file: 'lib/jobs/plan-table.ts',
    from: 'GRANT TEMPORARY ON DATABASE',
    to: 'GRANT CONNECT ON DATABASE',
    caughtBy: 'test/integration/security/missing-rights.test.ts',
    only: 'without TEMPORARY',
  },
];

/** Mistakes of a copy: it loses, doubles or takes for equal what it has to follow. */
const COPY: readonly Mutation[] = [
  {
    mistake: 'what is changed while rows are copied is not noted',
    file: 'lib/convert/copy/mirror.ts',
    from: '${forBoth(pair, (of) => note(pair, of))}\nEND`;\n',
    to: "${forBoth(pair, () => 'NULL;')}\nEND`;\n",
    caughtBy: 'test/integration/convert/copy-kill.test.ts',
    only: 'batches may break',
  },
  {
    mistake: 'what was changed while rows were copied is not put right before the first index',
    file: 'lib/convert/copy/backfill.ts',
    from: '      applyChanges(pair, null),\n',
    to: '',
    caughtBy: 'test/integration/convert/copy-kill.test.ts',
    only: 'batches may break',
  },
  {
    mistake: 'blocks of a file count in the one that has come in its place',
    file: 'lib/convert/copy/backfill.ts',
    from: '  IF file <> pg_catalog.pg_relation_filenode(leaf::pg_catalog.regclass) THEN\n',
    to: '  IF false THEN\n',
    caughtBy: 'test/integration/convert/copy-rewritten.test.ts',
    only: 'between two batches are copied once',
  },
  {
    mistake: 'rows that are noted as changed are not taken over',
    file: 'lib/convert/copy/changes.ts',
    from: "  WHERE ${hasRoom(pair, 's')};",
    to: '  WHERE false;',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'are told, taken over anew',
  },
  {
    mistake: 'rows that are noted and have been deleted stay in the copy',
    file: 'lib/convert/copy/changes.ts',
    from: "AS t USING ${rows} AS c WHERE ${sameRow(pair, 't', 'c')};",
    to: "AS t USING ${rows} AS c WHERE ${sameRow(pair, 't', 'c')} AND EXISTS (SELECT FROM ${nameOf(pair.source)} AS s WHERE ${sameRow(pair, 's', 'c')});",
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'are told, taken over anew',
  },
  {
    mistake: 'a comparison finds everything equal',
    file: 'lib/convert/copy/verify.ts',
    from: '(s.rows, s.digest) IS DISTINCT FROM (t.rows, t.digest) AS differs',
    to: 'false AS differs',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'are told, taken over anew',
  },
  {
    mistake: 'a comparison stands whatever becomes of partitions and triggers',
    file: 'lib/convert/copy/compared.ts',
    from: "\n    AND ${verified} ->> 'shape' = ${shapeSql(pair)}",
    to: '',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'after the look, nothing is switched',
  },
  {
    mistake: 'a comparison counts for later runs',
    file: 'lib/convert/copy/verified.ts',
    from: ' && copy?.log?.progress?.verified?.runId === runId',
    to: ' && runId.length > 0',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'are looked for by each run anew',
  },
  {
    mistake: 'the table that was replaced is removed without a comparison',
    file: 'lib/convert/copy/afterwards.ts',
    from: '  const ended = copy?.tied !== true;\n',
    to: '  const ended = copy !== null;\n',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'a table that was replaced is not removed',
  },
  {
    mistake: 'a column that was added afterwards is lost by an undo',
    file: 'lib/convert/copy/afterwards.ts',
    from: '      columnsDiffer(table, copy.other) ??\n',
    to: '',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'afterwards is not lost',
  },
  {
    mistake: 'an undo leaves what depends on the table to the one that is thrown away',
    file: 'lib/convert/copy/afterwards.ts',
    from: '      dependedOn(table, copy.other) ??\n',
    to: '',
    caughtBy: 'test/integration/convert/copy-since.test.ts',
    only: 'keeps it from being undone',
  },
  {
    mistake: 'the switch takes whatever has the name of the copy',
    file: 'lib/convert/copy/switch.ts',
    from: "AND pg_catalog.obj_description(${other.oid}, 'pg_class') = ${quoteLiteral(conversionText(marker))}",
    to: '',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'the copy is another one by now',
  },
  {
    mistake: 'the switch takes a copy whoever owns it',
    file: 'lib/convert/copy/switch.ts',
    from: 'ON t.relowner = o.relowner WHERE t.oid = ${source.oid}',
    to: 'ON true WHERE t.oid = ${source.oid}',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'the copy belongs to somebody else',
  },
  {
    mistake: 'the switch does not look whether a change is still to be taken over',
    file: 'lib/convert/copy/switch.ts',
    from: '    AND NOT EXISTS (SELECT FROM ${changesOf(pair)})\n',
    to: '',
    caughtBy: 'test/integration/convert/copy-verify.test.ts',
    only: 'a change has only been noted',
  },
  {
    mistake: 'the switch does not wait for snapshots that are older than the copy',
    file: 'lib/convert/copy/switch.ts',
    from: '      noOldSnapshot(since),\n',
    to: '',
    caughtBy: 'test/integration/convert/copy-isolation.test.ts',
    only: 'waits for a snapshot that is older',
  },
  {
    mistake: 'a snapshot of while the copy was completed is taken for a later one',
    file: 'lib/convert/copy/switch.ts',
    from: '>= pg_catalog.age(',
    to: '> pg_catalog.age(',
    caughtBy: 'test/integration/convert/copy-isolation.test.ts',
    only: 'waits for a snapshot of while',
  },
  {
    mistake: 'the snapshots of roles that one knows nothing of are overlooked',
    file: 'lib/postgres/apply/holders.ts',
    from: "COALESCE(a.backend_type, 'client backend') =",
    to: 'a.backend_type =',
    caughtBy: 'test/integration/convert/copy-isolation.test.ts',
    only: 'waits for a snapshot that is older',
  },
];

/** Mistakes of the functions that `sql` prints. */
const FUNCTIONS: readonly Mutation[] = [
  {
    mistake: 'functions in the database do not ask for the lock of the table',
    file: 'lib/sql/step.ts',
    from: 'IF NOT pg_try_advisory_xact_lock(',
    to: 'IF false AND NOT pg_try_advisory_xact_lock(',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'are left alone, and leave alone',
  },
  {
    mistake: 'functions in the database do not look who writes to the tables that foreign keys refer to',
    file: 'lib/sql/procedures.ts',
    from: "WHERE p_job = 'create'\n  ) AS n",
    to: 'WHERE false\n  ) AS n',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'do not have others wait behind them',
  },
  {
    mistake: 'functions in the database wait for everybody, however short his transaction is',
    file: 'lib/sql/procedures.ts',
    from: 'THEN ${BUSY_SECONDS} ELSE ${SHORT_SECONDS} END',
    to: 'THEN 0 ELSE 0 END',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'again and again',
  },
  {
    mistake: 'functions in the database do not look again under their locks',
    file: 'lib/sql/build.ts',
    from: 'IF NOT EXISTS (\n    SELECT FROM pg_class AS c\n    JOIN pg_namespace',
    to: 'IF false AND NOT EXISTS (\n    SELECT FROM pg_class AS c\n    JOIN pg_namespace',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'is judged once more under the locks',
  },
  {
    mistake: 'functions in the database keep a partition that ends exactly at the cutoff',
    file: 'lib/sql/plan.ts',
    from: 'r.ends) <= cutoff\n  )',
    to: 'r.ends) < cutoff\n  )',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'begins at the very moment',
  },
  {
    mistake: 'functions in the database take the later of two readings of a clock',
    file: 'lib/sql/time.ts',
    from: 'THEN least(one, other)',
    to: 'THEN greatest(one, other)',
    caughtBy: 'test/integration/sql/planners.test.ts',
    only: 'wherever clocks change',
  },
  {
    mistake: 'functions in the database read an offset of the config with the other sign',
    file: 'lib/partition/time-zone-sql.ts',
    from: "=== '-' ? '+' : '-'",
    to: "=== '-' ? '-' : '+'",
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'by the zone',
  },
  {
    mistake: 'functions in the database remove the newest partition like any other',
    file: 'lib/sql/plan.ts',
    from: ' AND NOT r.is_newest',
    to: '',
    caughtBy: 'test/integration/sql/script.test.ts',
    only: 'keeps what is referred to',
  },
];

export const MUTATIONS: readonly Mutation[] = [
  ...PLANNERS,
  ...STATEMENTS,
  ...EXECUTOR,
  ...CONVERSION,
  ...SECURITY,
  ...COPY,
  ...FUNCTIONS,
];
