import { text } from 'node:stream/consumers';
import { listen } from './runtime-api.ts';

/** What is in a secret of a database. */
export interface SecretValue {
  readonly username: string;
  readonly password: string;
}

/** An endpoint that speaks as much of the protocol of Secrets Manager as reading a secret takes. */
export interface SecretsEndpoint extends Disposable {
  /** For AWS_ENDPOINT_URL. */
  readonly url: string;
  /** Changes the secret, as a rotation does. */
  readonly set: (value: SecretValue) => void;
  /** How often the secret was read since it was last asked for this. */
  readonly takeCalls: () => number;
}

/** What a request is answered with: the status of HTTP and the body. */
type Reply = readonly [status: number, body: object];

/** The error's name is the part of the type that the SDK of AWS reads. */
const refusal = (name: string, message: string): Reply => [
  400,
  { __type: `com.amazonaws.secretsmanager#${name}`, Message: message },
];

/** @param arn of the only secret there is */
export async function startSecrets(arn: string, value: SecretValue): Promise<SecretsEndpoint> {
  let current = value;
  let calls = 0;

  function reply(target: string | undefined, body: string): Reply {
    if (target !== 'secretsmanager.GetSecretValue') return refusal('UnknownOperationException', `${target}`);
    const { SecretId: id } = JSON.parse(body) as { readonly SecretId?: string };
    calls++;
    if (id !== arn) {
      return refusal('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
    }
    const secret = { ARN: arn, Name: 'db', SecretString: JSON.stringify(current) };
    return [200, { ...secret, VersionStages: ['AWSCURRENT'], CreatedDate: Date.now() / 1000 }];
  }

  const { port, close } = await listen(async (request, response) => {
    const [status, body] = reply(request.headers['x-amz-target']?.toString(), await text(request));
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    set: (next) => {
      current = next;
    },
    takeCalls: () => {
      const taken = calls;
      calls = 0;
      return taken;
    },
    [Symbol.dispose]: close,
  };
}
