import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../index.ts';

describe('api/database: a stream that is left', () => {
  it('ends its transaction, so that the next one chooses its isolation', async () => {
    const path = await mkdtemp(join(tmpdir(), 'alopex-stream-left-'));
    try {
      await using database = await Database.open({ path });
      for await (const _row of database.stream('SELECT * FROM generate_series(1, 100000)')) break;
      const { rows } = await database.transaction((transaction) => transaction.query('SELECT 1 AS one'), {
        isolation: 'serializable',
      });
      expect(rows).to.deep.equal([{ one: 1 }]);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});
