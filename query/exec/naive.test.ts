import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import { generatedQueries, setup } from '../../test/conformance/exec-queries.ts';
import { MemoryDatabase } from './test-kit/database.ts';
import { MemoryReader } from './test-kit/memory-reader.ts';
import { NaiveInterpreter } from './test-kit/naive.ts';

type Answer = readonly string[] | 'error';

function shown(rows: readonly (readonly Datum[])[], isOrdered: boolean): readonly string[] {
  const lines = rows.map((row) => row.map(String).join(' | '));
  return isOrdered ? lines : lines.sort();
}

async function answer(make: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof AlopexError) return 'error';
    throw error;
  }
}

describe('plans against what the logical plan means, taken literally', () => {
  let database: MemoryDatabase;
  let naive: NaiveInterpreter;

  before(async () => {
    database = await MemoryDatabase.open(new MemoryReader({ batchRows: 9, waits: 5 }));
    await database.run(setup.join(';'));
    naive = new NaiveInterpreter((table) => database.reader.rowsOf(table.layout));
  });

  for (const [group, queries] of Object.entries(generatedQueries(20_251_122))) {
    if (group === 'by hand') continue;
    it(`${group}: ${queries.length} queries`, async () => {
      for (const sql of queries) {
        const isOrdered = group === 'orders';
        const logical = database.bind(sql);
        const expected = await answer(() => shown(naive.rows(logical), isOrdered));
        const found = await answer(async () => shown(await database.run(sql), isOrdered));
        expect(found, sql).to.deep.equal(expected);
      }
    });
  }
});
