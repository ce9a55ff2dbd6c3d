import type { ReportError } from '../../contract.ts';
import type { PartitionedTable } from '../../partition/model.ts';
import type { TableConfig } from '../../partition/table-config.ts';

/** A configured table, and what the catalog says of it. */
export interface Found {
  readonly config: TableConfig;
  readonly table: PartitionedTable;
}

/** A configured table as found, or why it cannot be managed. */
export type Inspected = Found | { readonly config: TableConfig; readonly error: ReportError };
