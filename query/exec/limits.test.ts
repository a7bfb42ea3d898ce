import { expect } from 'chai';
import { asAlopexError } from '../../base/errors.ts';
import { MemoryDatabase } from './test-kit/database.ts';

describe('query/exec, at its limits', () => {
  it('draws the rows of set-returning functions in a select list as they are wanted', async () => {
    const database = await MemoryDatabase.open();
    const rows = await database.run(
      'select generate_series(1, 1000000000) as a, generate_series(1, 2) as b, 7 as c limit 3',
    );
    expect(rows).to.deep.equal([
      [1, 1, 7],
      [2, 2, 7],
      [3, null, 7],
    ]);
  });

  it('joins more tables than are tried at each step', async () => {
    const database = await MemoryDatabase.open();
    await database.run(
      'create table t (id int primary key, next int); insert into t values (1, 2), (2, 3), (3, 1)',
    );
    const names = Array.from({ length: 40 }, (_unused, at) => `t${(at * 7) % 40}`);
    const conditions = Array.from({ length: 39 }, (_unused, at) => `t${at}.next = t${at + 1}.id`);
    const rows = await database.run(
      `select t0.id, t39.id from ${names.map((name) => `t ${name}`).join(', ')}
       where ${conditions.join(' and ')} order by 1`,
    );
    expect(rows).to.deep.equal([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it('says that a value is too large for the host', () => {
    const tooLarge = [() => 'x'.repeat(2 ** 30), () => new Array(2 ** 33), () => 2n ** (2n ** 40n)];
    for (const make of tooLarge) {
      try {
        make();
        expect.fail();
      } catch (thrown) {
        expect(asAlopexError(thrown).code).to.equal('54000');
      }
    }
  });
});
