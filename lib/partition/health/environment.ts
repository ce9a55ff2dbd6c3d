import type { Finding } from '../../contract.ts';
import { displayIdentifier, displayName, shellWord } from '../identifiers.ts';
import { apartByAnHour } from '../plan-cleanup.ts';
import { finding, type View } from './view.ts';

/** So many names make a sentence; the facts have them all. */
const SHOWN = 5;

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
  const strange = table.partitions.filter(({ strangeOwner }) => strangeOwner !== null);
  if (strange.length > 0 && view.config.retention !== null) {
    const names = strange.map((partition) => displayName(partition.schema, partition.name));
    findings.push(
      finding(
        'permission',
        'warning',
        `The owner of ${name} may not remove ${names.length === 1 ? 'this partition, which belongs' : 'these partitions, which belong'} to another role: ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ', ...' : ''}.`,
        names
          .slice(0, SHOWN)
          .map((partition) => `ALTER TABLE ${partition} OWNER TO ${displayIdentifier(table.owner)};`)
          .join(' '),
        {
          owners: [...new Set(strange.flatMap(({ strangeOwner }) => strangeOwner ?? []))],
          partitions: names,
        },
      ),
    );
  }
  if (table.mirrored) {
    const shell = shellWord(name);
    findings.push(
      finding(
        'conversion',
        'info',
        `A conversion of ${name} is not at its end: each write is made or noted a second time, for the table beside it.`,
        `See where it is: npx partition-keeper convert ${shell} --status. Then run it again, or with --finish once the other table is not wanted any more, or with --undo.`,
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
