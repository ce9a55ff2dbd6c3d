import { expect, test } from 'vitest';
import { addressText, parseAddress } from '../../../lib/serve/address.ts';

test.each([
  ['127.0.0.1:9850', { host: '127.0.0.1', port: 9850 }, '127.0.0.1:9850'],
  ['localhost:0', { host: 'localhost', port: 0 }, 'localhost:0'],
  ['[::1]:80', { host: '::1', port: 80 }, '[::1]:80'],
  [':65535', { host: '0.0.0.0', port: 65_535 }, '0.0.0.0:65535'],
])('%s is an address', (text, address, written) => {
  expect(parseAddress(text)).toEqual(address);
  expect(addressText(address)).toBe(written);
});

test.each(['', '9850', 'localhost', 'localhost:', '::1:80', '1.2.3.4:65536', 'a:-1', 'a:1b', 'http://a:1'])(
  '%j is none',
  (text) => {
    expect(() => parseAddress(text)).toThrow('is not an address to listen at');
  },
);
