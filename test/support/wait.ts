import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** What is waited for, for the error: "the folder is gone". */
  readonly what: string;
  /** 10 seconds unless given. */
  readonly timeoutMs?: number;
}

/** Pause between two looks at a condition, in milliseconds. */
const interval = 20;

/** Waits until a condition holds. Throws if it does not within the time; an error of the condition itself is passed on. */
export async function waitUntil(
  condition: () => Promise<boolean> | boolean,
  { what, timeoutMs = 10_000 }: WaitOptions,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() >= deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}.`);
    await delay(interval);
  }
}
