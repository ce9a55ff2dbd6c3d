import { Annotations, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';

/** CloudWatch, on behalf of this account only. */
function cloudWatch(stack: Stack) {
  return {
    principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
    conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
  };
}

/** A topic of our own, encrypted with a key that CloudWatch may use: with the default key it could not publish. */
function encryptedTopic(scope: Construct): Topic {
  const stack = Stack.of(scope);
  const key = new Key(scope, 'TopicKey', {
    description: 'Partition Keeper: notifications of alarms',
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  key.addToResourcePolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
      // In the policy of a key, this is the key itself.
      resources: ['*'],
      ...cloudWatch(stack),
    }),
  );
  const topic = new Topic(scope, 'Topic', {
    displayName: 'Partition Keeper',
    masterKey: key,
    enforceSSL: true,
  });
  topic.addToResourcePolicy(
    new PolicyStatement({ actions: ['sns:Publish'], resources: [topic.topicArn], ...cloudWatch(stack) }),
  );
  return topic;
}

/**
 * Where alarms go.
 * @param existing instead of a topic of our own
 * @param emails each has to confirm its subscription
 */
export function notifications(
  scope: Construct,
  existing: ITopic | undefined,
  emails: readonly string[],
): ITopic {
  if (existing === undefined && emails.length === 0) {
    Annotations.of(scope).addWarningV2(
      'partition-keeper:nobody',
      'Alarms reach nobody: give alarmEmails, or an alarmTopic that somebody has subscribed to.',
    );
  }
  const topic = existing ?? encryptedTopic(scope);
  for (const email of emails) topic.addSubscription(new EmailSubscription(email));
  return topic;
}
