import type { Finding } from '../../contract.ts';
import { displayName, quoteLiteral } from '../identifiers.ts';
import type { DetachedTable, Partition } from '../model.ts';
import { dueDetached, isOurs, planCleanup } from '../plan-cleanup.ts';
import { spanText } from '../span.ts';
import { command, finding, iso, type View } from './view.ts';

export function overdue(view: View): Partition[] {
  const { table, config, schedule } = view;
  const newest = table.partitions.at(-1);
  return table.partitions.filter(
    (partition) =>
      partition !== newest &&
      partition.referencedBy.length === 0 &&
      schedule.expired(partition.range, config.overdueAfter),
  );
}

/** No cleanup drops it: a person has to say whose it is. */
function doubtfulFinding({ schema, name, kind, marker, bytes }: DetachedTable): Finding {
  const shown = displayName(schema, name);
  const sql = `${kind === 'foreign' ? 'FOREIGN TABLE' : 'TABLE'} ${shown}`;
  const { parent, parentOid, bounds, detachedAt, comment } = marker;
  return finding(
    'stranded',
    'warning',
    `${shown} was detached on ${detachedAt} from ${parent}, oid ${parentOid}, says its comment; this name and this oid no longer mean the same table, as after a dump and restore, so cleanup does not drop it.`,
    `If its rows, ${bounds}, are no longer wanted: DROP ${sql}; to keep it, give it back its own comment: COMMENT ON ${sql} IS ${comment === null ? 'NULL' : quoteLiteral(comment)};`,
    { detachedAt, bytes, parent, parentOid },
    { schema, name },
  );
}

export function retentionFindings(view: View): Finding[] {
  const { table, config, schedule, name } = view;
  const findings: Finding[] = [];
  const late = overdue(view);
  const oldest = late[0];
  if (oldest !== undefined) {
    findings.push(
      finding(
        'expired',
        'warning',
        `${late.length} ${late.length === 1 ? 'partition' : 'partitions'} of ${name} ${late.length === 1 ? 'is' : 'are'} past the retention of ${spanText(config.retention ?? {})} by more than ${spanText(config.overdueAfter)}; the oldest ends ${iso(view, oldest.range.to)}.`,
        command(view, 'cleanup'),
        { expired: late.length, oldest: displayName(oldest.schema, oldest.name) },
      ),
    );
  }
  for (const stranded of dueDetached(table.detached, config, schedule)) {
    findings.push(
      finding(
        'stranded',
        'warning',
        `${displayName(stranded.schema, stranded.name)} was detached from ${name} on ${stranded.marker.detachedAt} and has not been dropped.`,
        command(view, 'cleanup'),
        { detachedAt: stranded.marker.detachedAt, bytes: stranded.bytes },
        stranded,
      ),
    );
  }
  findings.push(...dueDetached(table.doubtful, config, schedule).map(doubtfulFinding));
  const plan = planCleanup(table, config, {
    now: view.now,
    serverClock: view.serverClock,
    localClock: view.localClock,
    approve: true,
  });
  return [...findings, ...plan.findings];
}

export function pendingFindings(view: View): Finding[] {
  return view.table.partitions
    .filter(({ detachPending }) => detachPending)
    .map((partition) => {
      const parent = displayName(view.table.schema, view.table.name);
      const name = displayName(partition.schema, partition.name);
      const ours = isOurs(partition, view.table);
      return finding(
        'detach-pending',
        'warning',
        `A concurrent detach of ${name} was begun${ours ? ' by Partition Keeper' : ' by somebody else'} and not finished: its rows are invisible through ${parent}, and INSERTs into its range fail.`,
        ours ? command(view, 'cleanup') : `ALTER TABLE ${parent} DETACH PARTITION ${name} FINALIZE;`,
        { ours },
        partition,
      );
    });
}
