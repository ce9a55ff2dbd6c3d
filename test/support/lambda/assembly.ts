import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { AssetManifestArtifact } from 'aws-cdk-lib/cx-api';
import { FUNCTIONS, type FunctionName } from '../../../lib/aws/code.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { METRIC_NAMESPACE } from '../../../lib/contract.ts';
import { testStack } from '../stack.ts';

/** A function as it would be deployed. */
export interface DeployedFunction {
  /** What stands for its name as long as it is not deployed. */
  readonly name: string;
  readonly handler: string;
  /** The folder that would be uploaded. */
  readonly taskRoot: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A metric of ours with its dimensions, as an alarm asks for it. */
export interface AlarmMetric {
  readonly alarm: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** What `cdk synth` makes of our stack; disposing of it removes the files. */
export interface TestAssembly extends Disposable {
  readonly functions: Readonly<Record<FunctionName, DeployedFunction>>;
  readonly alarmMetrics: readonly AlarmMetric[];
  /** What the custom resource of the first run hands to its function. */
  readonly firstRun: Readonly<Record<string, unknown>>;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

type Resources = Readonly<Record<string, Resource>>;

/** A text as CloudFormation would put it together, with logical ids instead of what a deployment names. */
function resolve(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    if ('Ref' in value) return String(value.Ref);
    if ('Fn::Join' in value) {
      const [separator, parts] = value['Fn::Join'] as [string, unknown[]];
      return parts.map(resolve).join(separator);
    }
  }
  throw new Error(`Cannot be known before the deployment: ${JSON.stringify(value)}`);
}

const resolveAll = (values: object = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, resolve(value)]));

const ofType = (resources: Resources, type: string): [string, Resource['Properties']][] =>
  Object.entries(resources).flatMap(([id, { Type, Properties }]) =>
    Type === type ? [[id, Properties]] : [],
  );

/** Where the files are that would be uploaded, by the key they would have in the bucket. */
function uploads(manifests: readonly AssetManifestArtifact[]): ReadonlyMap<string, string> {
  const folders = new Map<string, string>();
  for (const { file, contents } of manifests) {
    for (const { source, destinations } of Object.values(contents.files ?? {})) {
      for (const { objectKey } of Object.values(destinations)) {
        folders.set(objectKey, join(file, '..', source.path ?? ''));
      }
    }
  }
  return folders;
}

interface FunctionProperties {
  readonly Handler: string;
  readonly Code: { readonly S3Key: string };
  readonly Environment?: { readonly Variables: object };
}

function functionsOf(resources: Resources, folders: ReadonlyMap<string, string>) {
  const all = ofType(resources, 'AWS::Lambda::Function').map(([id, properties]) => {
    const { Handler, Code, Environment } = properties as unknown as FunctionProperties;
    const taskRoot = folders.get(Code.S3Key);
    if (taskRoot === undefined) throw new Error(`${Handler} has code that is not in the assembly`);
    return { name: id, handler: Handler, taskRoot, environment: resolveAll(Environment?.Variables) };
  });
  const named = (name: FunctionName): DeployedFunction => {
    const found = all.find(({ handler }) => handler === `${name}.handler`);
    if (found === undefined) throw new Error(`The stack has no function for ${name}`);
    return found;
  };
  return Object.fromEntries(FUNCTIONS.map((name) => [name, named(name)])) as TestAssembly['functions'];
}

interface MetricProperties {
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
}

/** An alarm names its metric itself, or uses some in an expression. */
interface AlarmProperties extends MetricProperties {
  readonly AlarmName: string;
  readonly Metrics?: readonly { readonly MetricStat?: { readonly Metric: MetricProperties } }[];
}

const alarmMetricsOf = (resources: Resources): AlarmMetric[] =>
  ofType(resources, 'AWS::CloudWatch::Alarm').flatMap(([, properties]) => {
    const { AlarmName: alarm, Metrics: used = [], ...own } = properties as unknown as AlarmProperties;
    return [own, ...used.map(({ MetricStat: stat }) => stat?.Metric ?? {})]
      .filter(({ Namespace }) => Namespace === METRIC_NAMESPACE)
      .map(({ MetricName: name = '', Dimensions: dimensions = [] }) => ({
        alarm,
        name,
        dimensions: Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, resolve(Value)])),
      }));
  });

/**
 * Synthesizes the stack of the tests, code of the functions included.
 * @param config the six tables unless given
 */
export function synthesize(config?: ConfigInput): TestAssembly {
  const outdir = mkdtempSync(join(tmpdir(), 'partition-keeper-test-'));
  const remove = (): void => rmSync(outdir, { recursive: true });
  try {
    const app = new App({ outdir });
    const { artifactId } = testStack(app, {}, config);
    const { artifacts, stacks } = app.synth();
    const file = stacks.find(({ id }) => id === artifactId)?.templateFullPath ?? '';
    const { Resources: resources } = JSON.parse(readFileSync(file, 'utf8')) as { Resources: Resources };
    const manifests = artifacts.filter((artifact) => AssetManifestArtifact.isAssetManifestArtifact(artifact));
    const [[, firstRun] = []] = ofType(resources, 'Custom::PartitionKeeperFirstRun');
    return {
      functions: functionsOf(resources, uploads(manifests)),
      alarmMetrics: alarmMetricsOf(resources),
      firstRun: { ...firstRun, Invocations: resolve(firstRun?.['Invocations']) },
      [Symbol.dispose]: remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}
