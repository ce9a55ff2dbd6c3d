import { Annotations, Duration, type Size } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  CfnAlarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { JOBS, type Job, tableDimension } from '../contract.ts';
import type { JobFunction } from './job-function.ts';
import { jobMetric, type TableName, tableMetric } from './metrics.ts';
import { describe, invokeCommand, JOB_IMPACTS, RUNBOOK } from './runbook.ts';
import { type Silence, silenceOf } from './silence.ts';

export interface AlarmsProps {
  /** Begins the alarms' names. */
  readonly prefix: string;
  /** The value of the dimension Database. */
  readonly database: string;
  readonly tables: readonly TableName[];
  readonly jobs: Readonly<Record<Job, JobFunction>>;
  readonly schedules: Readonly<Record<Job, string>>;
  readonly timeZone: string;
  readonly failures: IQueue;
  readonly undelivered: IQueue;
  readonly freeStorage?: { readonly instanceIdentifier: string; readonly threshold: Size } | undefined;
  readonly topic: ITopic;
}

/**
 * A datapoint comes once a day, or each hour where create runs so, and from emergency runs. The last five minutes are
 * looked at, so that a figure that arrives late is seen; where there is none, the state stays what it was.
 */
const HOLD = {
  evaluationPeriods: 5,
  datapointsToAlarm: 1,
  treatMissingData: TreatMissingData.IGNORE,
} as const;

const atLeastOne = {
  threshold: 1,
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
} as const;

const less = { threshold: 1, comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD } as const;

/** Days from midnight to midnight in UTC, by which the expression counts; else a day would begin at any hour. */
function useCalendarDays(alarm: Alarm): void {
  const { defaultChild } = alarm.node;
  if (!(defaultChild instanceof CfnAlarm)) throw new Error('An alarm is made of a CfnAlarm.');
  defaultChild.evaluationWindow = { wallClockWindow: { timezone: 'UTC' } };
}

/** All alarms of one keeper, each telling the topic when it goes off and when it is over. */
export class Alarms extends Construct {
  readonly missing: readonly Alarm[];
  readonly expired: readonly Alarm[];
  readonly failed: readonly Alarm[];
  readonly silent: readonly Alarm[];
  readonly queues: readonly Alarm[];
  readonly storage: readonly Alarm[];
  private readonly props: AlarmsProps;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.props = props;
    this.missing = props.tables.map((table) => this.missingPartitions(table));
    this.expired = props.tables.map((table) => this.expiredPartitions(table));
    this.failed = JOBS.map((job) => this.runFailed(job));
    this.silent = JOBS.flatMap((job) => this.jobSilent(job));
    this.queues = [
      this.queueNotEmpty('Failures', props.failures, 'An invocation failed for good, after two retries.'),
      this.queueNotEmpty(
        'Undelivered',
        props.undelivered,
        'A scheduled invocation could not be handed over to Lambda.',
      ),
    ];
    this.storage = props.freeStorage === undefined ? [] : [this.lowStorage(props.freeStorage)];
  }

  get all(): readonly Alarm[] {
    return [this.missing, this.expired, this.failed, this.silent, this.queues, this.storage].flat();
  }

  private alarm(id: string, name: string, metric: IMetric, props: Omit<AlarmProps, 'metric'>): Alarm {
    const alarm = new Alarm(this, id, { ...props, metric, alarmName: `${this.props.prefix}: ${name}` });
    const action = new SnsAction(this.props.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    return alarm;
  }

  private invoke(job: Job, payload: object = {}): string {
    return invokeCommand(this.props.jobs[job].function.functionName, payload);
  }

  private missingPartitions(table: TableName): Alarm {
    const name = tableDimension(table);
    return this.alarm(
      `Missing ${name}`,
      `partitions missing in ${name}`,
      tableMetric(this.props.database, table, 'missing'),
      {
        ...HOLD,
        ...atLeastOne,
        alarmDescription: describe({
          happened: `Partitions of ${name} that should exist do not.`,
          impact:
            'When the present one is among them, or the next one when its time comes, INSERTs fail or fall into the default partition.',
          look: this.invoke('create', { tables: [name] }),
          heading: RUNBOOK.missing,
        }),
      },
    );
  }

  private expiredPartitions(table: TableName): Alarm {
    const name = tableDimension(table);
    return this.alarm(
      `Expired ${name}`,
      `expired partitions of ${name} are overdue`,
      tableMetric(this.props.database, table, 'expired'),
      {
        ...HOLD,
        ...atLeastOne,
        alarmDescription: describe({
          happened: `Partitions of ${name} are past retention for so long that a cleanup must have failed or not run.`,
          impact: 'Data is kept longer than it should be, and storage grows.',
          look: `${this.invoke('cleanup', { tables: [name], dryRun: true })} and, if that is right, without dryRun`,
          heading: RUNBOOK.expired,
        }),
      },
    );
  }

  private runFailed(job: Job): Alarm {
    return this.alarm(`Failed ${job}`, `${job} failed`, jobMetric(this.props.database, job, 'failed'), {
      ...HOLD,
      ...atLeastOne,
      alarmDescription: describe({
        happened: `The last run of ${job} failed, for some table or as a whole; what it had done remains.`,
        impact: JOB_IMPACTS[job],
        look: `aws logs tail ${this.props.jobs[job].logGroup.logGroupName} --since 1d --filter-pattern '{ $.level = "ERROR" }', mend the cause, then ${this.invoke(job)}`,
        heading: RUNBOOK.failed,
      }),
    });
  }

  private jobSilent(job: Job): Alarm[] {
    const silence = silenceOf(this.props.schedules[job], this.props.timeZone);
    if (silence === null) {
      Annotations.of(this).addWarningV2(
        'partition-keeper:silence',
        `The schedule ${this.props.schedules[job]} of ${job} is neither at least weekly nor bound to dates: there is no alarm on its silence.`,
      );
      return [];
    }
    const byDate = silence.kind === 'days';
    const noted = byDate ? 'since its date' : `for ${silence.hours} hours`;
    const over = byDate
      ? ' A day later this alarm is over all the same, as it looks at the days around the date only.'
      : '';
    const alarm = this.alarm(`Silent ${job}`, `${job} is silent`, this.successes(job, silence), {
      ...less,
      evaluationPeriods: byDate ? 2 : silence.hours,
      treatMissingData: TreatMissingData.BREACHING,
      alarmDescription: describe({
        happened: `No complete run of ${job} has succeeded ${noted}.`,
        impact: `${JOB_IMPACTS[job]}${over}`,
        look: `look whether the schedule exists and is enabled (aws scheduler list-schedules), then ${this.invoke(job)}`,
        heading: RUNBOOK.silent,
      }),
    });
    if (byDate) useCalendarDays(alarm);
    return [alarm];
  }

  private successes(job: Job, silence: Silence): IMetric {
    const { database } = this.props;
    if (silence.kind === 'hours') return jobMetric(database, job, 'succeeded', { period: Duration.hours(1) });
    const period = Duration.days(1);
    return new MathExpression({
      expression: silence.expression,
      usingMetrics: { m: jobMetric(database, job, 'succeeded', { period }) },
      period,
      label: `${job}, where one is due`,
    });
  }

  private queueNotEmpty(id: string, queue: IQueue, happened: string): Alarm {
    return this.alarm(
      id,
      `${id.toLowerCase()} are waiting`,
      queue.metricApproximateNumberOfMessagesVisible({
        statistic: Stats.MAXIMUM,
        period: Duration.minutes(5),
      }),
      {
        ...atLeastOne,
        evaluationPeriods: 1,
        treatMissingData: TreatMissingData.IGNORE,
        alarmDescription: describe({
          happened,
          impact: 'That job has not been done.',
          look: `aws sqs receive-message --queue-url ${queue.queueUrl} names the function and the reason; mend that and invoke that function, for create by ${this.invoke('create')}, then aws sqs purge-queue --queue-url ${queue.queueUrl}`,
          heading: RUNBOOK.undelivered,
        }),
      },
    );
  }

  private lowStorage({ instanceIdentifier, threshold }: NonNullable<AlarmsProps['freeStorage']>): Alarm {
    return this.alarm(
      'Free storage',
      `free storage of ${instanceIdentifier} is low`,
      new Metric({
        namespace: 'AWS/RDS',
        metricName: 'FreeStorageSpace',
        dimensionsMap: { DBInstanceIdentifier: instanceIdentifier },
        statistic: Stats.MINIMUM,
        period: Duration.minutes(5),
      }),
      {
        threshold: threshold.toBytes(),
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: 3,
        treatMissingData: TreatMissingData.MISSING,
        alarmDescription: describe({
          happened: `The instance ${instanceIdentifier} has less than ${threshold.toGibibytes()} GiB left.`,
          impact: 'When none is left, the database stops.',
          look: `${this.invoke('cleanup', { dryRun: true })} shows what retention lets go of; or give the instance more storage`,
          heading: RUNBOOK.storage,
        }),
      },
    );
  }
}
