import { describe, expect, test } from 'vitest';
import { connectionSettings, KeeperError } from '../../../lib/index.ts';

type Environment = Readonly<Record<string, string>>;

const settings = (query: string, env: Environment = {}) =>
  connectionSettings(`postgresql://someone@db.example.com/app?${query}`, env).tls;

/** The mistake that the settings are taken for. */
function refusal(query: string, env: Environment = {}): KeeperError {
  try {
    settings(query, env);
  } catch (error) {
    if (error instanceof KeeperError) return error;
    throw error;
  }
  throw new Error(`${query} was taken.`);
}

describe('TLS is required', () => {
  test.each([
    ['ssl=true', {}],
    ['requiressl=1', {}],
    ['ssl=true&sslmode=require', {}],
    ['', { PGREQUIRESSL: '1' }],
    ['ssl=true', { PGSSLMODE: 'disable' }],
  ])('by %s beside %o', (query, env) => {
    expect(settings(query, env).mode).toBe('require');
  });

  test('and no less than what is written beside it', () => {
    expect(settings('ssl=true&sslmode=verify-full').mode).toBe('verify-full');
    expect(settings('ssl=true', { PGSSLMODE: 'verify-ca' }).mode).toBe('verify-ca');
    for (const mode of ['disable', 'allow', 'prefer'])
      expect(refusal(`ssl=true&sslmode=${mode}`)).toMatchObject({ code: 'sslmode', exitCode: 2 });
  });
});

test('where nothing is said, TLS is preferred', () => {
  expect(settings('').mode).toBe('prefer');
  expect(settings('requiressl=0&ssl=').mode).toBe('prefer');
});

test('what a public authority has signed is verified in full, or not at all', () => {
  expect(settings('sslrootcert=system').mode).toBe('verify-full');
  expect(settings('', { PGSSLROOTCERT: 'system' }).mode).toBe('verify-full');
  expect(settings('sslmode=verify-full&sslrootcert=system').mode).toBe('verify-full');
  expect(settings('sslmode=verify-ca&sslrootcert=system.pem').mode).toBe('verify-ca');
  for (const mode of ['prefer', 'require', 'verify-ca'])
    expect(refusal(`sslmode=${mode}&sslrootcert=system`)).toMatchObject({ code: 'sslmode', exitCode: 2 });
});

describe('what asks for a protection that would not be given is refused by its name', () => {
  test.each([
    'ssl',
    'requiressl',
    'sslcrl',
    'sslcrldir',
    'sslpassword',
    'sslsni',
    'sslnegotiation',
    'sslcertmode',
    'sslkeylogfile',
    'ssl_min_protocol_version',
    'ssl_max_protocol_version',
    'channel_binding',
    'gssencmode',
    'requirepeer',
    'require_auth',
    'sslMode',
    'sslaccept',
    'useSSL',
    'tlsCAFile',
  ])('%s in the URL', (name) => {
    const error = refusal(`sslmode=require&${name}=secret-word`);
    expect(error).toMatchObject({ code: 'tls-parameter', exitCode: 2 });
    expect(error.message).toContain(name);
    expect(error.message).not.toContain('secret-word');
    expect(error.hint).toContain('sslmode');
  });

  test.each([
    'PGSSLCRL',
    'PGSSLCRLDIR',
    'PGSSLNEGOTIATION',
    'PGSSLCERTMODE',
    'PGSSLMINPROTOCOLVERSION',
    'PGSSLMAXPROTOCOLVERSION',
    'PGSSLSNI',
    'PGCHANNELBINDING',
    'PGGSSENCMODE',
    'PGREQUIREPEER',
    'PGREQUIREAUTH',
    'PGREQUIRESSL',
  ])('%s in the environment', (name) => {
    expect(refusal('', { [name]: 'require' }).message).toContain(name);
  });

  test('and with the values that are taken', () => {
    expect(refusal('channel_binding=require').message).toContain(
      'channel_binding (other than disable or prefer)',
    );
    expect(refusal('ssl=1').message).toContain('ssl (other than true)');
  });
});

test('what asks for no more than is done is taken, and so is what has nothing to do with TLS', () => {
  const harmless =
    'sslcompression=0&sslsni=1&sslnegotiation=postgres&sslcertmode=allow&channel_binding=prefer&gssencmode=disable&ssl_min_protocol_version=TLSv1.2&sslcrl=&application_name=app&target_session_attrs=read-write&uselibpqcompat=true&connect_timeout=3';
  expect(settings(`${harmless}&sslmode=verify-ca&sslrootcert=ca.pem`)).toEqual({
    mode: 'verify-ca',
    rootCertificate: 'ca.pem',
    certificate: undefined,
    key: undefined,
  });
  // The URL speaks before the environment.
  expect(settings('channel_binding=disable', { PGCHANNELBINDING: 'require' }).mode).toBe('prefer');
});
