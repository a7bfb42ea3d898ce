import { expect } from 'chai';
import type { MemoryClient } from '../../pgwire/test-kit/memory-client.ts';
import { bind, execute, parse, query, sync } from '../../pgwire/test-kit/messages.ts';
import { ServedDatabase } from '../../pgwire/test-kit/served-database.ts';

describe('cursors', () => {
  let served: ServedDatabase;
  let client: MemoryClient;
  before(async () => {
    served = await ServedDatabase.open();
    const first = await served.client();
    await first.ask(query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5)'));
    first.close();
  });
  after(() => served.close());
  beforeEach(async () => {
    client = await served.client();
  });
  afterEach(() => client.close());

  /** Rows, tags and errors of a statement. */
  async function run(sql: string): Promise<readonly string[]> {
    const answers = await client.ask(query(sql));
    return answers.filter((answer) => /^(DataRow|CommandComplete|ErrorResponse)/.test(answer));
  }

  it('take parameters', async () => {
    await run('BEGIN');
    const declared = parse('DECLARE c CURSOR FOR SELECT id + $1::int FROM t WHERE id > $2 ORDER BY id');
    const answers = await client.ask(declared, bind(['10', '3']), execute(), sync);
    expect(answers).to.include('CommandComplete DECLARE CURSOR');
    expect(await run('FETCH ALL FROM c')).to.deep.equal([
      'DataRow 14',
      'DataRow 15',
      'CommandComplete FETCH 2',
    ]);
    expect((await run('DECLARE d CURSOR FOR SELECT $1::int'))[0]).to.contain('there is no parameter $1');
  });

  it('are fetched from, forward, and closed', async () => {
    await run('BEGIN');
    expect(await run('DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id')).to.deep.equal([
      'CommandComplete DECLARE CURSOR',
    ]);
    expect(await run('FETCH c')).to.deep.equal(['DataRow 1', 'CommandComplete FETCH 1']);
    expect(await run('MOVE 1 IN c')).to.deep.equal(['CommandComplete MOVE 1']);
    expect(await run('FETCH FORWARD 2 FROM c')).to.deep.equal([
      'DataRow 3',
      'DataRow 4',
      'CommandComplete FETCH 2',
    ]);
    expect(await run('FETCH ALL FROM c')).to.deep.equal(['DataRow 5', 'CommandComplete FETCH 1']);
    expect(await run('FETCH ALL FROM c')).to.deep.equal(['CommandComplete FETCH 0']);
    expect(await run('CLOSE c')).to.deep.equal(['CommandComplete CLOSE CURSOR']);
    expect(await run('FETCH c')).to.deep.equal(['ErrorResponse ERROR 34000 cursor "c" does not exist']);
  });

  it('read what was there when they were declared, beside other statements', async () => {
    await run(
      'BEGIN; DECLARE a CURSOR FOR SELECT id FROM t ORDER BY id; DECLARE b CURSOR FOR SELECT -id FROM t',
    );
    expect(await run('FETCH 2 FROM a')).to.include('DataRow 2');
    await run('DELETE FROM t; INSERT INTO t VALUES (9)');
    expect(await run('FETCH ALL FROM a')).to.deep.equal([
      ...['DataRow 3', 'DataRow 4', 'DataRow 5'],
      'CommandComplete FETCH 3',
    ]);
    expect(await run('FETCH b')).to.deep.equal(['DataRow -1', 'CommandComplete FETCH 1']);
    expect(await run('CLOSE ALL; SELECT id FROM t')).to.deep.equal([
      ...['CommandComplete CLOSE CURSOR ALL', 'DataRow 9', 'CommandComplete SELECT 1'],
    ]);
    await run('ROLLBACK');
  });

  it('end with their transaction', async () => {
    await run('BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; COMMIT; BEGIN');
    expect(await run('FETCH c')).to.deep.equal(['ErrorResponse ERROR 34000 cursor "c" does not exist']);
    await run('ROLLBACK; BEGIN');
    expect(await run('DECLARE c CURSOR FOR SELECT 1')).to.deep.equal(['CommandComplete DECLARE CURSOR']);
    expect(await run('DECLARE c CURSOR FOR SELECT 1')).to.deep.equal([
      'ErrorResponse ERROR 42P03 cursor "c" already exists',
    ]);
  });

  it('say what they do not do', async () => {
    expect(await run('DECLARE c CURSOR FOR SELECT 1')).to.deep.equal([
      'ErrorResponse ERROR 25P01 DECLARE CURSOR can only be used in transaction blocks',
    ]);
    for (const [sql, code] of [
      ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', '0A000'],
      ['DECLARE c SCROLL CURSOR FOR SELECT 1', '0A000'],
      ['DECLARE c CURSOR FOR SELECT 1; FETCH BACKWARD 1 FROM c', '55000'],
      ['DECLARE c CURSOR FOR SELECT 1; FETCH FIRST FROM c', '55000'],
    ] as const) {
      await run('BEGIN');
      expect((await run(sql)).at(-1), sql).to.match(new RegExp(`^ErrorResponse ERROR ${code} `));
      await run('ROLLBACK');
    }
  });
});
