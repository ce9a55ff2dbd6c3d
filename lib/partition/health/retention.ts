import type { Finding } from '../../contract.ts';
import { displayName } from '../identifiers.ts';
import type { Partition } from '../model.ts';
import { droppableDetached, isOurs, planCleanup } from '../plan-cleanup.ts';
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
  for (const stranded of droppableDetached(table, config, schedule)) {
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
