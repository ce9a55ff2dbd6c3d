import { createHash } from 'node:crypto';
import { CloudFormationClient, DescribeStacksCommand, StackStatus } from '@aws-sdk/client-cloudformation';
import {
  CloudWatchClient,
  GetDashboardCommand,
  ListDashboardsCommand,
  type MetricAlarm,
  paginateDescribeAlarms,
} from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, paginateDescribeLogGroups } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeSecurityGroupRulesCommand,
  EC2Client,
  paginateDescribeSecurityGroups,
} from '@aws-sdk/client-ec2';
import {
  GetFunctionCommand,
  GetFunctionEventInvokeConfigCommand,
  LambdaClient,
  paginateListFunctions,
} from '@aws-sdk/client-lambda';
import { GetScheduleCommand, paginateListSchedules, SchedulerClient } from '@aws-sdk/client-scheduler';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  GetTopicAttributesCommand,
  paginateListSubscriptions,
  paginateListTopics,
  SNSClient,
} from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, paginateListQueues, SQSClient } from '@aws-sdk/client-sqs';
import type { DeploymentInput } from '../../../lib/config/deployment.ts';
import { ACCOUNT, credentials, REGION } from './emulator.ts';

/** All pages at once. */
async function all<Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of pages) items.push(...(itemsOf(page) ?? []));
  return items;
}

/** Where the stack is deployed to: what is there before it, and what it made, read with AWS's own clients. */
export class Account {
  private readonly endpoint: string;
  private readonly cloudFormation: CloudFormationClient;
  private readonly cloudWatch: CloudWatchClient;
  private readonly ec2: EC2Client;
  private readonly lambda: LambdaClient;
  private readonly logs: CloudWatchLogsClient;
  private readonly scheduler: SchedulerClient;
  private readonly secrets: SecretsManagerClient;
  private readonly sns: SNSClient;
  private readonly sqs: SQSClient;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    const access = { endpoint, region: REGION, credentials };
    this.cloudFormation = new CloudFormationClient(access);
    this.cloudWatch = new CloudWatchClient(access);
    this.ec2 = new EC2Client(access);
    this.lambda = new LambdaClient(access);
    this.logs = new CloudWatchLogsClient(access);
    this.scheduler = new SchedulerClient(access);
    this.secrets = new SecretsManagerClient(access);
    this.sns = new SNSClient(access);
    // The address of a queue is AWS's own: never to be called.
    this.sqs = new SQSClient({ ...access, useQueueUrlAsEndpoint: false });
  }

  /** A VPC with two private subnets and the security group of a database. */
  async createNetwork(): Promise<
    Pick<DeploymentInput, 'vpcId' | 'availabilityZones' | 'privateSubnetIds' | 'databaseSecurityGroupId'>
  > {
    const availabilityZones = [`${REGION}a`, `${REGION}b`];
    const { Vpc } = await this.ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
    const vpcId = known(Vpc?.VpcId);
    const privateSubnetIds: string[] = [];
    for (const [index, AvailabilityZone] of availabilityZones.entries()) {
      const CidrBlock = `10.0.${index}.0/24`;
      const { Subnet } = await this.ec2.send(
        new CreateSubnetCommand({ VpcId: vpcId, CidrBlock, AvailabilityZone }),
      );
      privateSubnetIds.push(known(Subnet?.SubnetId));
    }
    const { GroupId } = await this.ec2.send(
      new CreateSecurityGroupCommand({ VpcId: vpcId, GroupName: 'database', Description: 'Database' }),
    );
    return { vpcId, availabilityZones, privateSubnetIds, databaseSecurityGroupId: known(GroupId) };
  }

  /** A secret as an operator makes it for the functions; its ARN. */
  async createSecret(Name: string, value: object): Promise<string> {
    const secret = new CreateSecretCommand({ Name, SecretString: JSON.stringify(value) });
    return known((await this.secrets.send(secret)).ARN);
  }

  async stack(name: string) {
    const { Stacks } = await this.cloudFormation.send(new DescribeStacksCommand({ StackName: name }));
    const { StackStatus: status, Outputs = [] } = known(Stacks?.[0]);
    return {
      status,
      outputs: Object.fromEntries(Outputs.map(({ OutputKey = '', OutputValue }) => [OutputKey, OutputValue])),
    };
  }

  /** The functions with their code's size, and what becomes of failed invocations. */
  async functions() {
    const listed = await all(paginateListFunctions({ client: this.lambda }, {}), (page) => page.Functions);
    return await Promise.all(
      listed.map(async ({ FunctionName }) => {
        const { Configuration, Concurrency } = await this.lambda.send(
          new GetFunctionCommand({ FunctionName }),
        );
        const { MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig } = await this.lambda.send(
          new GetFunctionEventInvokeConfigCommand({ FunctionName }),
        );
        return {
          ...known(Configuration),
          reserved: Concurrency?.ReservedConcurrentExecutions,
          failures: { MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig },
        };
      }),
    );
  }

  /**
   * The archive a function was made from, out of the bucket that `cdk bootstrap` made. Of moto's link to it only the end
   * is true; that it is the right one, its checksum tells.
   */
  async archive(functionName: string): Promise<Buffer> {
    const command = new GetFunctionCommand({ FunctionName: functionName });
    const { Code, Configuration } = await this.lambda.send(command);
    const { pathname } = new URL(known(Code?.Location));
    const path = `/cdk-hnb659fds-assets-${ACCOUNT}-${REGION}${pathname}`;
    const response = await this.ask('s3', REGION, { path, method: 'GET' });
    const archive = Buffer.from(await response.arrayBuffer());
    const checksum = createHash('sha256').update(archive).digest('base64');
    if (checksum !== Configuration?.CodeSha256)
      throw new Error(`${functionName} has other code than ${path}`);
    return archive;
  }

  async schedules() {
    const pages = paginateListSchedules({ client: this.scheduler }, {});
    const listed = await all(pages, (page) => page.Schedules);
    return await Promise.all(
      listed.map(async ({ Name }) => await this.scheduler.send(new GetScheduleCommand({ Name }))),
    );
  }

  async alarms(): Promise<MetricAlarm[]> {
    return await all(paginateDescribeAlarms({ client: this.cloudWatch }, {}), (page) => page.MetricAlarms);
  }

  async dashboards() {
    const { DashboardEntries = [] } = await this.cloudWatch.send(new ListDashboardsCommand({}));
    return await Promise.all(
      DashboardEntries.map(async ({ DashboardName }) => {
        const { DashboardBody } = await this.cloudWatch.send(new GetDashboardCommand({ DashboardName }));
        return { name: known(DashboardName), body: known(DashboardBody) };
      }),
    );
  }

  async topics() {
    const topics = await all(paginateListTopics({ client: this.sns }, {}), (page) => page.Topics);
    return await Promise.all(
      topics.map(async ({ TopicArn }) => {
        const { Attributes } = await this.sns.send(new GetTopicAttributesCommand({ TopicArn }));
        return known(Attributes);
      }),
    );
  }

  async subscriptions() {
    return await all(paginateListSubscriptions({ client: this.sns }, {}), (page) => page.Subscriptions);
  }

  async queues() {
    const urls = await all(paginateListQueues({ client: this.sqs }, {}), (page) => page.QueueUrls);
    return await Promise.all(
      urls.map(async (QueueUrl) => {
        const { Attributes } = await this.sqs.send(
          new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
        );
        return known(Attributes);
      }),
    );
  }

  async logGroups() {
    return await all(paginateDescribeLogGroups({ client: this.logs }, {}), (page) => page.logGroups);
  }

  async securityGroups() {
    return await all(paginateDescribeSecurityGroups({ client: this.ec2 }, {}), (page) => page.SecurityGroups);
  }

  async rulesOf(groupId: string) {
    const { SecurityGroupRules = [] } = await this.ec2.send(
      new DescribeSecurityGroupRulesCommand({ Filters: [{ Name: 'group-id', Values: [groupId] }] }),
    );
    return SecurityGroupRules;
  }

  /** Names of whatever the stack makes, in all services: to be compared before and after. */
  async inventory() {
    const { cloudFormation } = this;
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({}));
    const groups = await this.securityGroups();
    const lists = {
      stacks: Stacks.filter(({ StackStatus: status }) => status !== StackStatus.DELETE_COMPLETE).map(
        ({ StackName }) => StackName,
      ),
      functions: (
        await all(paginateListFunctions({ client: this.lambda }, {}), (page) => page.Functions)
      ).map(({ FunctionName }) => FunctionName),
      schedules: (await this.schedules()).map(({ Name }) => Name),
      alarms: (await this.alarms()).map(({ AlarmName }) => AlarmName),
      dashboards: (await this.dashboards()).map(({ name }) => name),
      topics: (await this.topics()).map(({ TopicArn }) => TopicArn),
      subscriptions: (await this.subscriptions()).map(({ SubscriptionArn }) => SubscriptionArn),
      queues: (await this.queues()).map(({ QueueArn }) => QueueArn),
      logGroups: (await this.logGroups()).map(({ logGroupName }) => logGroupName),
      securityGroups: groups.map(({ GroupId }) => GroupId),
      rules: (await Promise.all(groups.map(async ({ GroupId }) => await this.rulesOf(known(GroupId)))))
        .flat()
        .map(({ SecurityGroupRuleId }) => SecurityGroupRuleId),
      roles: await this.roles(),
      keys: await this.keys(),
    };
    return Object.fromEntries(Object.entries(lists).map(([kind, names]) => [kind, names.toSorted()]));
  }

  /** Asked for by hand: another client would be much for a list of names. */
  private async roles(): Promise<string[]> {
    const answer = await this.ask('iam', 'us-east-1', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=ListRoles&Version=2010-05-08&MaxItems=1000',
    });
    return [...(await answer.text()).matchAll(/<RoleName>([^<]*)</g)].map(([, name = '']) => name);
  }

  private async keys(): Promise<string[]> {
    const answer = await this.ask('kms', REGION, {
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.ListKeys' },
      body: '{}',
    });
    return ((await answer.json()) as { Keys: { KeyId: string }[] }).Keys.map(({ KeyId }) => KeyId);
  }

  private async ask(
    service: string,
    region: string,
    { path = '/', method = 'POST', ...request }: RequestInit & { readonly path?: string },
  ): Promise<Response> {
    // Who asks is not checked, but tells moto which service is meant.
    const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/20200101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=none`;
    const response = await fetch(`${this.endpoint}${path}`, {
      ...request,
      method,
      headers: { ...request.headers, authorization },
    });
    if (!response.ok) throw new Error(`${service}, account ${ACCOUNT}: ${await response.text()}`);
    return response;
  }
}

/** @throws Error where an answer lacks what every such answer has */
export function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('The answer lacks something.');
  return value;
}
