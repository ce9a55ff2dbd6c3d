import { expect, test } from 'vitest';
import { expectNoStall, type Party, prepareTableInUse } from '../../support/convert/stalls.ts';
import { createTestDatabase } from '../../support/database.ts';
import { keeper } from '../../support/keeper.ts';
import { shareOf } from '../../support/share.ts';

const PARTIES: readonly (Party & { readonly next: 'undo' | 'finish' | null })[] = [
  { as: 'a superuser', foreignKeys: true, next: 'undo' },
  { as: 'a member of an owner who may not', foreignKeys: true, grants: 'SELECT, REFERENCES', next: 'undo' },
  { as: 'another member of such an owner', foreignKeys: true, grants: 'SELECT, REFERENCES', next: 'finish' },
  { as: 'a member of an owner, without foreign keys', foreignKeys: false, grants: 'SELECT', next: null },
];

// What is measured is measured on all versions.
test.each(process.env['STALL_RESULTS'] ? PARTIES : shareOf(PARTIES))(
  'a copy stalls nobody and fails nobody, nor what comes then ($next), as $as',
  async ({ next, ...party }) => {
    await using database = await createTestDatabase();
    const url = await prepareTableInUse(database, party);
    const copied = await expectNoStall(database, party, 'convert that copies', () =>
      keeper({ url }).convert({ strategy: 'copy' }),
    );
    expect(copied.waitedFor).toContain(copied.holder);
    if (next === null) return;
    const ended = await expectNoStall(database, party, `convert that copies, --${next}`, () =>
      keeper({ url }).convert({ [next]: true }),
    );
    expect(ended.waitedFor).toContain(ended.holder);
  },
);
