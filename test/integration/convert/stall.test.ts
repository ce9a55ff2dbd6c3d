import { expect, test } from 'vitest';
import { expectNoStall, type Party, prepareTableInUse } from '../../support/convert/stalls.ts';
import { createTestDatabase } from '../../support/database.ts';
import { keeper } from '../../support/keeper.ts';

test.each<Party>([
  { as: 'a superuser', foreignKeys: true },
  {
    as: 'a member of an owner who may lock what its keys refer to',
    foreignKeys: true,
    grants: 'SELECT, REFERENCES, UPDATE',
  },
  { as: 'a member of an owner who may not', foreignKeys: true, grants: 'SELECT, REFERENCES' },
  { as: 'a member of an owner, without foreign keys', foreignKeys: false, grants: 'SELECT' },
])('a conversion stalls nobody and fails nobody, as $as', async (party) => {
  await using database = await createTestDatabase();
  const url = await prepareTableInUse(database, party);
  const { waitedFor, holder } = await expectNoStall(database, party, 'convert that attaches', () =>
    keeper({ url }).convert(),
  );
  // Without foreign keys the first to wait is the server, in the building of an index, which keeps nobody waiting.
  if (party.foreignKeys) expect(waitedFor).toContain(holder);
});
