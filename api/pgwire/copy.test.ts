import { expect } from 'chai';
import {
  bind,
  copyData,
  copyDone,
  copyFail,
  execute,
  flush,
  parse,
  query,
  sync,
} from './test-kit/messages.ts';
import { servedTable } from './test-kit/served-table.ts';

describe('COPY over the query protocols', () => {
  const table = servedTable();

  const startCopy = async () => {
    table.client.send(query('COPY t FROM STDIN'));
    await table.client.until('CopyInResponse');
  };

  it('takes lines cut anywhere, and gives one message a line', async () => {
    await startCopy();
    expect(
      await table.client.ask(copyData('20\ttwe'), copyData('nty\n21\t\\N'), copyData('\n'), copyDone),
    ).to.deep.equal(['CommandComplete COPY 2', 'ReadyForQuery I']);
    expect(
      await table.client.ask(query('COPY (SELECT * FROM t WHERE id >= 3 ORDER BY id) TO STDOUT')),
    ).to.deep.equal([
      'CopyOutResponse 0 x2',
      'CopyData "3\\t\\\\N\\n"',
      'CopyData "20\\ttwenty\\n"',
      'CopyData "21\\t\\\\N\\n"',
      'CopyDone',
      'CommandComplete COPY 3',
      'ReadyForQuery I',
    ]);
  });

  it('what a client still sends after an error is skipped', async () => {
    await startCopy();
    const answers = await table.client.ask(copyData('bad\n'), copyData('22\tx\n'), copyDone);
    expect(answers[0]).to.match(/^ErrorResponse ERROR 22P04 missing data for column "name"/);
    expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
  });

  it('CopyFail, and any message that is none of COPY, end it without a row', async () => {
    await startCopy();
    expect(await table.client.ask(copyData('20\tx\n'), copyFail('no more'))).to.deep.equal([
      'ErrorResponse ERROR 57014 COPY from stdin failed: no more',
      'ReadyForQuery I',
    ]);
    await startCopy();
    expect((await table.client.ask(copyData('20\tx\n'), query('SELECT 1')))[0]).to.match(
      /^ErrorResponse ERROR 08P01 /,
    );
    expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
  });

  it('in the extended protocol Flush and Sync inside it are ignored', async () => {
    const answers = await table.client.ask(
      parse('COPY t FROM STDIN'),
      bind(),
      execute(),
      flush,
      copyData('20\tx\n'),
      sync,
      copyDone,
      sync,
    );
    expect(answers).to.deep.equal([
      'ParseComplete',
      'BindComplete',
      'CopyInResponse 0 x2',
      'CommandComplete COPY 1',
      'ReadyForQuery I',
    ]);
  });

  it('an error in the extended protocol skips to Sync', async () => {
    const answers = await table.client.ask(
      parse('COPY t FROM STDIN'),
      bind(),
      execute(),
      copyData('20\tx\n'),
      copyData('1\tdouble\n'),
      copyDone,
      parse('SELECT 1'),
      sync,
    );
    expect(answers.slice(3).map((line) => line.slice(0, 25))).to.deep.equal([
      'ErrorResponse ERROR 23505',
      'ReadyForQuery I',
    ]);
  });

  it('a script goes on after its COPY', async () => {
    table.client.send(query('COPY t FROM STDIN; SELECT count(*) FROM t'));
    await table.client.until('CopyInResponse');
    expect(await table.client.ask(copyData('20\tx\n'), copyDone)).to.deep.equal([
      'CommandComplete COPY 1',
      'RowDescription count:20',
      'DataRow 4',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]);
  });

  it('a connection that ends in the middle leaves nothing', async () => {
    await startCopy();
    table.client.send(copyData('20\tx\n'));
    table.client.close();
    const other = await table.served.client();
    expect(await other.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
    other.close();
  });

  it('of changes sends them as they come, and ends only when it is cancelled', async () => {
    table.client.send(query("SET statement_timeout = '100ms'; COPY t TO STDOUT (FORMAT changes, FROM 0)"));
    const answers = await table.client.until('ReadyForQuery');
    const lines = answers.filter((answer) => answer.startsWith('CopyData')).map((line) => line.slice(9));
    const last = JSON.parse(JSON.parse(lines.at(-1)!)) as Record<string, unknown>;
    expect(last).to.deep.include({ schema: 'public', table: 't', operation: 'c', before: null });
    expect(last).to.deep.include({ types: { id: 23, name: 25 }, after: { id: '3', name: null } });
    expect(answers.at(-2)).to.equal('ErrorResponse ERROR 57014 canceling statement due to statement timeout');
    expect(answers).not.to.include('CopyDone');
    expect(await table.client.ask(query('COPY t TO STDOUT (FORMAT changes, SINCE 3)'))).to.include(
      'ErrorResponse ERROR 42601 option "since" not recognized',
    );
  });
});
