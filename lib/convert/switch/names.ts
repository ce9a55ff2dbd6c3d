/** The tables as they are called while the switch goes on: before and after the renaming. */
export interface Names {
  readonly table: string;
  readonly parent: string;
  readonly legacy: string;
}
