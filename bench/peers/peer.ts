import type { BenchOptions } from '../frame/model.ts';
import type { Ended } from '../frame/program.ts';

/** A table that is partitioned by month, all of whose partitions are named `<table>_YYYY_MM`. */
export interface ManagedTable {
  readonly schema: string;
  readonly table: string;
  readonly key: string;
}

/** What a peer is to look after. */
export interface Task {
  /** Leads a superuser to the database. */
  readonly url: string;
  /** For files of its own. */
  readonly folder: string;
  readonly tables: readonly ManagedTable[];
  /** Months to keep ready after the current one. */
  readonly premake: number;
  /** Whole months to keep before the current one. */
  readonly retention: number;
}

/** A way to create and remove partitions, ready for use. */
export interface Peer {
  readonly version: string;
  /** Takes over the tables with the partitions they have; to be called anew when the task has changed. */
  readonly adopt: (task: Task) => Promise<void>;
  /** Creates the partitions that are missing. Throws where it does not succeed. */
  readonly create: (task: Task) => Promise<Run>;
  /** Removes those past retention. Throws where it does not succeed. */
  readonly cleanup: (task: Task) => Promise<Run>;
}

/** What is known of a run that went well. */
export type Run = Pick<Ended, 'peakMiB'>;

/** A run in the server, or in this process, whose memory tells nothing. */
export const noProcess = async (work: Promise<unknown>): Promise<Run> => {
  await work;
  return { peakMiB: null };
};

export interface PeerSource {
  readonly name: string;
  /** Fetches what it takes. Throws with the reason where that cannot be had. */
  readonly prepare: (options: BenchOptions) => Promise<Peer>;
}

export type Prepared =
  | { readonly name: string; readonly peer: Peer }
  | { readonly name: string; readonly missing: string };

/** Those that can be had, and why the others cannot. */
export async function preparePeers(
  sources: readonly PeerSource[],
  options: BenchOptions,
): Promise<readonly Prepared[]> {
  const prepared: Prepared[] = [];
  for (const { name, prepare } of sources) {
    try {
      prepared.push({ name, peer: await prepare(options) });
    } catch (error) {
      const missing = (error instanceof Error ? error.message : String(error))
        .replace(/\s+/g, ' ')
        .slice(0, 200);
      options.say(`${name} does not take part: ${missing}`);
      prepared.push({ name, missing });
    }
  }
  return prepared;
}

export const versionsOf = (prepared: readonly Prepared[]): Record<string, string> =>
  Object.fromEntries(
    prepared.flatMap((one) =>
      'peer' in one && one.peer.version !== '' ? [[one.name, one.peer.version]] : [],
    ),
  );
