import type { Strategy } from '../marker.ts';
import { parentName, plainName } from '../names.ts';
import type { Layout } from '../parts.ts';

export type CopyStrategy = Exclude<Strategy, 'attach'>;

export const layoutOf = (strategy: CopyStrategy): Layout =>
  strategy === 'unconvert' ? 'plain' : 'partitioned';

/** What the table to be, and what belongs to it, is called until the switch. */
export const interimOf = (strategy: CopyStrategy) => (strategy === 'unconvert' ? plainName : parentName);
