import type { Job } from '../contract.ts';

/** Headings of the runbook that alarms point at. */
export const RUNBOOK = {
  missing: 'Partitions are missing',
  expired: 'Expired partitions are overdue',
  failed: 'A run failed',
  silent: 'A job is silent',
  undelivered: 'Invocations were not delivered',
  storage: 'Free storage is low',
} as const;

const PAGE = 'https://github.com/partition-keeper/partition-keeper/blob/main/docs/operations.md';

/** As GitHub makes anchors of headings. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

/** The command that runs a job now, to be pasted into a shell. */
export const invokeCommand = (functionName: string, payload: object = {}): string =>
  `aws lambda invoke --function-name ${functionName} --cli-binary-format raw-in-base64-out --cli-read-timeout 900 --payload '${JSON.stringify(payload).replaceAll("'", "'\\''")}' /dev/stdout`;

export interface AlarmText {
  readonly happened: string;
  readonly impact: string;
  readonly look: string;
  readonly heading: (typeof RUNBOOK)[keyof typeof RUNBOOK];
}

/** What an alarm's mail says: what happened, what follows, what to type, where to read on. */
export const describe = ({ happened, impact, look, heading }: AlarmText): string =>
  `${happened} ${impact}\n\nDo: ${look}\n\nRunbook "${heading}": ${PAGE}#${anchorOf(heading)}`;

/** What follows when a job is not done. */
export const JOB_IMPACTS: Readonly<Record<Job, string>> = {
  create: 'Partitions run out some day: then INSERTs fail or fall into the default partition.',
  cleanup: 'Data past retention stays, and storage grows.',
  health: 'Nobody watches the partitions: the other alarms learn nothing new.',
};
