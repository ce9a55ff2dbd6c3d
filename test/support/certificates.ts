import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certification authority of our own and a certificate it has issued to a server, all as PEM texts. */
export interface TestCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a new authority and a server certificate for 'localhost' and 127.0.0.1, valid from an hour ago for a day.
 * Node has no function for it, and not every machine has openssl; the little of X.509 it takes is written out here.
 */
export function makeCertificates(): TestCertificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: 'Test authority', key: authority.privateKey };
  return {
    ca: certificate('Test authority', authority.publicKey, isAuthority, issuer),
    cert: certificate('localhost', server.publicKey, isLocalhost, issuer),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

// The tags of ASN.1 in use (X.690), and as a comment to each object identifier its name.
const tags = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  object: 0x06,
  text: 0x0c,
  sequence: 0x30,
  set: 0x31,
  time: 0x17,
} as const;
const ecdsaWithSha256 = der(tags.sequence, der(tags.object, hex('2a8648ce3d040302'))); // 1.2.840.10045.4.3.2
const commonName = der(tags.object, hex('550403')); // 2.5.4.3
const basicConstraints = der(tags.object, hex('551d13')); // 2.5.29.19
const subjectAltName = der(tags.object, hex('551d11')); // 2.5.29.17

const critical = der(tags.boolean, hex('ff'));
const isAuthority = der(
  tags.sequence,
  basicConstraints,
  critical,
  der(tags.octets, der(tags.sequence, der(tags.boolean, hex('ff')))),
);
const isLocalhost = der(
  tags.sequence,
  subjectAltName,
  der(tags.octets, der(tags.sequence, der(0x82, Buffer.from('localhost')), der(0x87, hex('7f000001')))),
);

/** An X.509 certificate of version 3 (RFC 5280, section 4.1) with a single extension, as a PEM text. */
function certificate(
  subject: string,
  publicKey: KeyObject,
  extension: Buffer,
  issuer: { readonly name: string; readonly key: KeyObject },
): string {
  const content = der(
    tags.sequence,
    der(0xa0, der(tags.integer, hex('02'))),
    der(tags.integer, hex('01'), randomBytes(8)),
    ecdsaWithSha256,
    distinguishedName(issuer.name),
    der(tags.sequence, time(-1), time(24)),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(tags.sequence, extension)),
  );
  const signature = der(tags.bits, hex('00'), sign('sha256', content, issuer.key));
  const lines =
    der(tags.sequence, content, ecdsaWithSha256, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function distinguishedName(name: string): Buffer {
  return der(tags.sequence, der(tags.set, der(tags.sequence, commonName, der(tags.text, Buffer.from(name)))));
}

/** The time so many hours from now, as YYMMDDHHMMSSZ. */
function time(hours: number): Buffer {
  const digits = new Date(Date.now() + hours * 3_600_000).toISOString().replace(/\D/g, '');
  return der(tags.time, Buffer.from(`${digits.slice(2, 14)}Z`));
}

/** A value in the Distinguished Encoding Rules: tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}
