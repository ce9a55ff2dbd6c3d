import {
  CloudWatchClient,
  GetMetricDataCommand,
  ListMetricsCommand,
  type MetricAlarm,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { type Answer, metricsOf, parseLines } from '../../support/lambda/runtime-api.ts';
import { known } from './account.ts';
import { credentials, REGION } from './emulator.ts';

const MINUTE = 60_000;

/** What an alarm's condition comes to; without figures in its window, the alarm remains as it is. */
export type Verdict = 'breach' | 'clear' | 'no figures';

type Compare = (value: number, threshold: number) => boolean;

const OPERATORS: Readonly<Record<string, Compare>> = {
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  GreaterThanThreshold: (value, threshold) => value > threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
};

export const minutesAfter = (time: Date, minutes: number): Date =>
  new Date(time.getTime() + minutes * MINUTE);

/** What CloudWatch does by itself and moto does not: find metrics in logs, and hold alarms against them. */
export class CloudWatch {
  private readonly client: CloudWatchClient;

  constructor(endpoint: string) {
    this.client = new CloudWatchClient({ endpoint, region: REGION, credentials });
  }

  /**
   * Takes the figures out of the log of an invocation, as if it had happened so much later than it did.
   * @returns the time of the last one
   */
  async read(answer: Answer, minutesLater = 0): Promise<Date> {
    let last: Date | undefined;
    for (const line of answer.logs) {
      const [record] = parseLines([line]);
      const embedded = record?.['_aws'] as { readonly Timestamp: number } | undefined;
      if (embedded === undefined) continue;
      const Timestamp = minutesAfter(new Date(embedded.Timestamp), minutesLater);
      last = Timestamp;
      for (const { namespace, name, dimensions, value } of metricsOf({ ...answer, logs: [line] })) {
        const datum = {
          MetricName: name,
          Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value: String(Value) })),
          Value: Number(value),
          Timestamp,
        };
        await this.client.send(new PutMetricDataCommand({ Namespace: namespace, MetricData: [datum] }));
      }
    }
    return known(last);
  }

  /**
   * The condition of an alarm by its own properties, at the end of the minute of a point in time.
   * @throws Error for alarms to which the lack of figures says something
   */
  async verdict(alarm: MetricAlarm, at: Date): Promise<Verdict> {
    const { AlarmName, Period, EvaluationPeriods, Threshold, ComparisonOperator = '' } = alarm;
    if (alarm.TreatMissingData !== 'ignore') throw new Error(`${AlarmName} goes by silence, too.`);
    const end = new Date((Math.floor(at.getTime() / MINUTE) + 1) * MINUTE);
    const start = new Date(end.getTime() - known(Period) * known(EvaluationPeriods) * 1000);
    const compare = known(OPERATORS[ComparisonOperator]);
    const figures = await this.figures(alarm, start, end);
    const breaching = figures.filter((figure) => compare(figure, known(Threshold)));
    if (breaching.length >= (alarm.DatapointsToAlarm ?? known(EvaluationPeriods))) return 'breach';
    return figures.length === 0 ? 'no figures' : 'clear';
  }

  /** One for each period in which there was something. */
  private async figures(alarm: MetricAlarm, StartTime: Date, EndTime: Date): Promise<number[]> {
    const { Namespace, MetricName, Dimensions, Period, Statistic, Unit } = alarm;
    const Metric = { Namespace, MetricName, Dimensions };
    // moto compares the dimensions below one by one, as AWS does, but leaves the namespace out: it is compared here.
    const { Metrics = [] } = await this.client.send(new ListMetricsCommand(Metric));
    if (Metrics.length === 0) return [];
    const query = { Id: 'm', MetricStat: { Metric, Period, Stat: Statistic, Unit } };
    const { MetricDataResults = [] } = await this.client.send(
      new GetMetricDataCommand({ StartTime, EndTime, MetricDataQueries: [query] }),
    );
    return known(MetricDataResults[0]?.Values);
  }
}
