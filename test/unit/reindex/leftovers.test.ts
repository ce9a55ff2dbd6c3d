import { expect, test } from 'vitest';
import { leftoversOf } from '../../../lib/reindex/leftovers.ts';
import { findMarker, parseReindex, reindexText, userComment } from '../../../lib/reindex/marker.ts';
import type { LeafIndex } from '../../../lib/reindex/model.ts';

const base: LeafIndex = {
  oid: 10,
  schema: 'app',
  name: 'e1_pkey',
  table: { oid: 1, schema: 'app', name: 'e1' },
  partitionOid: 1,
  parent: { schema: 'app', name: 'events_pkey' },
  valid: true,
  exclusion: false,
  inUse: true,
  definition: 'unique (id, at)',
  bytes: 8192,
  rows: 1,
  comment: null,
};
const left: LeafIndex = { ...base, oid: 11, name: 'e1_pkey_ccnew', parent: null, valid: false, inUse: false };

test.each([
  ['the index that was being built', {}, true],
  ['a second one', { name: 'e1_pkey_ccnew1' }, true],
  ['the index that was replaced', { name: 'e1_pkey_ccold' }, true],
  ['one that is valid', { valid: true }, false],
  ['one that is a part of an index of the parent, or of a constraint', { inUse: true }, false],
  ['one that is defined otherwise', { definition: 'unique (id)' }, false],
  ['one of another table', { table: { ...base.table, oid: 2 } }, false],
  ['one in another schema', { schema: 'other' }, false],
  ['one with another name', { name: 'e1_pkey_new' }, false],
  ['one named after another index', { name: 'e1_pke_ccnew' }, false],
  ['the index itself', { oid: 10 }, false],
] as const)('%s', (_, change, is) => {
  const other = { ...left, ...change };
  expect(leftoversOf(base, [base, other])).toEqual(is ? [other] : []);
});

test('the server cuts long names off in the middle', () => {
  const long = { ...base, name: `${'i'.repeat(58)}_pkey` };
  const cut = { ...left, name: `${'i'.repeat(57)}_ccnew` };
  expect(leftoversOf(long, [long, cut])).toEqual([cut]);
  expect(leftoversOf(long, [long, { ...cut, name: `${'i'.repeat(20)}_ccnew` }])).toEqual([]);
});

const marker = {
  tableOid: 5,
  choice: '[[],[],false]',
  indexes: [10, 12],
  startedAt: '2026-11-26T00:00:00Z',
  by: 'keeper',
  runId: 'a',
  comment: "the user's",
};

test('the note of a run is found by the table it is about', () => {
  expect(parseReindex(reindexText(marker))).toEqual(marker);
  const holder = { ...base, comment: reindexText(marker) };
  expect(findMarker(5, [base, holder])).toEqual({ marker, holder });
  expect(findMarker(6, [base, holder])).toBeNull();
});

test("a user's comment is found in every marker that it is wrapped in", () => {
  const once = reindexText(marker);
  expect(userComment(once)).toBe("the user's");
  expect(userComment(reindexText({ ...marker, tableOid: 6, comment: once }))).toBe("the user's");
  expect(userComment(reindexText({ ...marker, comment: null }))).toBeNull();
  expect(userComment('words')).toBe('words');
});

test.each([null, '', 'a comment', '{"partition-keeper-reindex":', '{"partition-keeper-reindex":{}}'])(
  'any other comment is none: %s',
  (comment) => expect(parseReindex(comment)).toBeNull(),
);
