import type { Step } from '../postgres/step.ts';

/** How far a conversion goes: the table to be is there; filled and following; known to be equal; in use. */
export const STAGES = ['prepare', 'copy', 'verify', 'switch'] as const;
export type Stage = (typeof STAGES)[number];

/** Steps that are applied one after the other; after them the catalog is looked at anew. */
export interface Unit {
  readonly stage: Stage;
  readonly steps: readonly Step[];
}
