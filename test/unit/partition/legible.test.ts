import { expect, test } from 'vitest';
import { hasControls, withoutControls } from '../../../lib/partition/legible.ts';

test.each([
  ['a\u001b[2Jb', 'a\\u001b[2Jb'],
  ['a\r\nremedy: b', 'a\\u000d\\u000aremedy: b'],
  ['\u0000\t\u007f\u0085\u009b', '\\u0000\\u0009\\u007f\\u0085\\u009b'],
  ['a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ['\u202e\u2066\u200f\u061c', '\\u202e\\u2066\\u200f\\u061c'],
])('%j becomes %s', (text, shown) => {
  expect(hasControls(text)).toBe(true);
  expect(withoutControls(text)).toBe(shown);
});

test.each(['', 'größe "x" \\u001b', '名前 ✓ 👩‍👧', 'العربية'])('%s is left as it is', (text) => {
  expect(hasControls(text)).toBe(false);
  expect(withoutControls(text)).toBe(text);
});
