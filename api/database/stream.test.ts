import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../index.ts';

async function withDatabase(use: (database: Database) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'alopex-stream-'));
  try {
    await using database = await Database.open({ path });
    await use(database);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

describe('api/database: a stream', () => {
  it('that is left ends its transaction, so that the next one chooses its isolation', () =>
    withDatabase(async (database) => {
      for await (const _row of database.stream('SELECT * FROM generate_series(1, 100000)')) break;
      const { rows } = await database.transaction((transaction) => transaction.query('SELECT 1 AS one'), {
        isolation: 'serializable',
      });
      expect(rows).to.deep.equal([{ one: 1 }]);
    }));

  it('that is read as fast as it comes leaves others their turn', () =>
    withDatabase(async (database) => {
      let turns = 0;
      const turn = setInterval(() => turns++, 1);
      for await (const _row of database.stream('SELECT * FROM generate_series(1, 500000)'));
      clearInterval(turn);
      expect(turns).to.be.greaterThan(1);
    }));
});
