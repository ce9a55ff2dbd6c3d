import { Logger } from '@aws-lambda-powertools/logger';
import type { LogRecord } from '../lib/jobs/records.ts';

/** Writes JSON lines with the request's id, straight to the standard output. */
export const logger = new Logger({ serviceName: 'partition-keeper' });

export const writeRecord = ({ level, event, fields }: LogRecord): void => logger[level](event, { ...fields });
