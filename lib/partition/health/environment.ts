import type { Finding } from '../../contract.ts';
import { displayIdentifier, displayName } from '../identifiers.ts';
import { apartByAnHour } from '../plan-cleanup.ts';
import { finding, type View } from './view.ts';

export function environmentFindings(view: View): Finding[] {
  const { table, name, serverClock, localClock } = view;
  const findings: Finding[] = [];
  if (apartByAnHour(serverClock, localClock)) {
    findings.push(
      finding(
        'clock-skew',
        'warning',
        `The server's clock says ${serverClock.toString()}, this machine's ${localClock.toString()}: a cleanup of ${name} would be refused.`,
        'Correct the clock that is wrong.',
        { server: serverClock.toString(), local: localClock.toString() },
      ),
    );
  }
  if (!table.mayManage) {
    findings.push(
      finding(
        'permission',
        'critical',
        `The executing role is neither the owner of ${name} nor a member of it: it can neither create nor remove partitions.`,
        `GRANT ${displayIdentifier(table.owner)} TO the role Partition Keeper connects as.`,
        { owner: table.owner },
      ),
    );
  } else if (!table.mayCreate) {
    findings.push(
      finding(
        'permission',
        'critical',
        `The owner of ${name} may not use schema ${table.schema} or create tables in it: no partition can be created.`,
        `GRANT USAGE, CREATE ON SCHEMA ${displayIdentifier(table.schema)} TO ${displayIdentifier(table.owner)};`,
        { owner: table.owner },
      ),
    );
  }
  const slow = table.foreignKeys.filter(({ indexed }) => !indexed);
  if (slow.length > 0) {
    const referenced = [
      ...new Set(slow.map((key) => displayName(key.referenced.schema, key.referenced.name))),
    ];
    findings.push(
      finding(
        'foreign-key',
        'info',
        `${name} has foreign keys without an index (${slow.map((key) => key.name).join(', ')}): deleting a row of ${referenced.join(', ')} scans every partition.`,
        'Create indexes that begin with the foreign key columns, or give up the foreign keys.',
        { foreignKeys: slow.map((key) => key.name) },
      ),
    );
  }
  return findings;
}
