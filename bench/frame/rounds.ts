/** Something that is measured again and again. */
export interface Subject {
  readonly label: string;
  /** One measurement. */
  readonly measure: () => Promise<number>;
}

/**
 * Measures every subject as often as asked, in turns, so that a slow moment of the machine hits all alike. The first
 * turn warms everything up and does not count.
 */
export async function inTurns(subjects: readonly Subject[], runs: number): Promise<Map<string, number[]>> {
  const measured = new Map<string, number[]>(subjects.map(({ label }) => [label, []]));
  for (let turn = 0; turn <= runs; turn++) {
    for (const { label, measure } of subjects) {
      const value = await measure();
      if (turn > 0) measured.get(label)?.push(value);
    }
  }
  return measured;
}
