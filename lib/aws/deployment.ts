import * as v from 'valibot';
import { usageError } from '../errors.ts';

/** What exists already and the functions are put into, from the context key `deployment` of the CDK app. */
const deploymentSchema = v.strictObject({
  vpcId: v.string(),
  availabilityZones: v.pipe(v.array(v.string()), v.minLength(1)),
  privateSubnetIds: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Of the database; the functions are let in. */
  databaseSecurityGroupId: v.string(),
  databaseHost: v.string(),
  databasePort: v.optional(v.pipe(v.number(), v.integer()), 5432),
  databaseName: v.string(),
  /** A secret with username and password, as RDS makes them. */
  secretArn: v.string(),
});

export type Deployment = v.InferOutput<typeof deploymentSchema>;

/**
 * @param context the value of the context key, an object, or its JSON text from the command line
 * @throws KeeperError that names every field that is missing or wrong
 */
export function parseDeployment(context: unknown): Deployment {
  const value: unknown = typeof context === 'string' ? JSON.parse(context) : context;
  const result = v.safeParse(deploymentSchema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'deployment'}: ${issue.message}`);
  throw usageError(
    'deployment-invalid',
    `The deployment is not described: ${problems.join('; ')}.`,
    `Set the context key "deployment" in cdk.json, with ${Object.keys(deploymentSchema.entries).join(', ')}.`,
  );
}
