import { expect, test } from 'vitest';
import { expectNoStall, type Party, prepareTableInUse } from '../../support/convert/stalls.ts';
import { createTestDatabase } from '../../support/database.ts';
import { type Keeper, keeper, stepsOf } from '../../support/keeper.ts';
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

type Options = Parameters<Keeper['convert']>[0];

const AFTERWARDS: readonly (Party & { readonly operation: string; readonly options: Options })[] = [
  {
    as: 'a superuser',
    foreignKeys: true,
    operation: 'convert that splits',
    options: { strategy: 'split' },
  },
  {
    as: 'a member of an owner who may not lock what its keys refer to',
    foreignKeys: true,
    grants: 'SELECT, REFERENCES',
    operation: 'unconvert',
    options: { strategy: 'unconvert' },
  },
];

test.each(process.env['STALL_RESULTS'] ? AFTERWARDS : shareOf(AFTERWARDS))(
  '$operation stalls nobody and fails nobody, as $as; nor does a rebuild of the indexes',
  async ({ operation, options, ...party }) => {
    await using database = await createTestDatabase();
    const url = await prepareTableInUse(database, party);
    stepsOf(await keeper({ url }).convert());
    const { waitedFor, holder } = await expectNoStall(database, party, operation, () =>
      keeper({ url }).convert(options),
    );
    expect(waitedFor).toContain(holder);
    if (options?.strategy === 'split')
      await expectNoStall(database, party, 'reindex', () => keeper({ url }).reindex());
  },
);
