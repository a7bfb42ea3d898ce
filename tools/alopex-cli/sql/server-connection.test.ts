import { Socket } from 'node:net';
import { expect } from 'chai';
import { CopyDataMessage } from 'pg-protocol/dist/messages.js';
import { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import { selfSigned } from '../../../api/pgwire/test-kit/certificate.ts';
import { ServedDatabase } from '../../../api/pgwire/test-kit/served-database.ts';
import { asAlopexError } from '../../../base/errors.ts';
import type { ResultHandler, ShellConnection, ShellNotice } from './connection.ts';
import { ServerAnswer } from './server-answer.ts';
import { openServer } from './server-connection.ts';

/** Writes down what it is handed. */
function recorder(overrides: Partial<ResultHandler> = {}): ResultHandler & { readonly said: string[] } {
  const said: string[] = [];
  return {
    said,
    columns: (columns) => said.push(`columns ${columns.map(({ name, type }) => `${name}:${type}`).join()}`),
    rows: async (rows) => {
      said.push(...rows.map((row) => row.map((value) => value ?? 'NULL').join('|')));
    },
    complete: async (tag) => {
      said.push(`done ${tag}`);
    },
    copyOut: async (chunk) => {
      said.push(`out ${new TextDecoder().decode(chunk).trimEnd()}`);
    },
    copyIn: async function* () {},
    ...overrides,
  };
}

async function* chunksOf(...texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

/** Cancels until it is heard: the statement may not have begun. */
async function codeOfCancelled(connection: ShellConnection): Promise<string> {
  const cancelling = setInterval(() => connection.cancel(), 20);
  try {
    await connection.run('SELECT count(*) FROM generate_series(1, 1000000000)', recorder());
    return 'not cancelled';
  } catch (thrown) {
    return asAlopexError(thrown).code;
  } finally {
    clearInterval(cancelling);
  }
}

describe('shell on a server', () => {
  let served: ServedDatabase;
  let connection: ShellConnection;
  before(async () => {
    served = await ServedDatabase.open();
    connection = await openServer(`postgresql://alopex@127.0.0.1:${served.port}/alopex`);
  });
  after(async () => {
    await connection.close();
    await served.close();
  });

  const said = async (sql: string, overrides: Partial<ResultHandler> = {}): Promise<readonly string[]> => {
    const handler = recorder(overrides);
    await connection.run(sql, handler);
    return handler.said;
  };
  const failureOf = async (running: Promise<unknown>) => {
    try {
      await running;
    } catch (thrown) {
      return asAlopexError(thrown);
    }
    throw new Error('nothing was thrown');
  };

  it('names_itself', () => {
    expect(connection.user).to.equal('alopex');
    expect(connection.database).to.equal('alopex');
    expect(connection.place).to.equal(`127.0.0.1:${served.port}`);
  });

  it('several_statements_answer_in_order', async () => {
    expect(
      await said("SELECT 1 AS a, NULL::text AS b; CREATE TABLE t (id int); ; SELECT 'x' AS c WHERE false"),
    ).to.deep.equal([
      'columns a:23,b:25',
      '1|NULL',
      'done SELECT 1',
      'done CREATE TABLE',
      'columns c:25',
      'done SELECT 0',
    ]);
    expect(await said('')).to.deep.equal([]);
  });

  it('error_carries_code_and_position', async () => {
    const error = await failureOf(said("SELECT 'é', nope"));
    expect(error.code).to.equal('42703');
    expect(error.position).to.equal(13);
  });

  it('notice_is_handed_on', async () => {
    const notices: ShellNotice[] = [];
    connection.onNotice = (notice) => notices.push(notice);
    await said('DROP TABLE IF EXISTS missing');
    expect(notices).to.deep.equal([
      { severity: 'NOTICE', message: 'table "missing" does not exist, skipping', detail: null, hint: null },
    ]);
  });

  it('status_follows_the_transaction', async () => {
    expect(connection.status).to.equal('idle');
    await said('BEGIN');
    expect(connection.status).to.equal('transaction');
    await failureOf(said('SELECT nope'));
    expect(connection.status).to.equal('failed');
    await said('ROLLBACK');
    expect(connection.status).to.equal('idle');
  });

  it('copy_goes_in_and_comes_out', async () => {
    await said('CREATE TABLE copied (id int PRIMARY KEY, name text)');
    const copyIn = () => chunksOf('1\tone\n2\t', '\\N\n');
    expect(await said('COPY copied FROM STDIN', { copyIn })).to.deep.equal(['done COPY 2']);
    expect((await said('COPY copied TO STDOUT')).join('\n')).to.equal('out 1\tone\nout 2\t\\N\ndone COPY 2');
  });

  it('input_that_fails_fails_the_copy', async () => {
    await said('CREATE TABLE unread (id int)');
    const copyIn = async function* () {
      yield* chunksOf('1\n');
      throw new Error('no such file');
    };
    expect((await failureOf(said('COPY unread FROM STDIN', { copyIn }))).message).to.equal('no such file');
    expect(await said('SELECT count(*) FROM unread')).to.include('0');
  });

  it('input_of_a_copy_that_the_server_refuses_is_read_to_its_end', async () => {
    await said('CREATE TABLE refused (id int)');
    let isRead = false;
    const copyIn = async function* () {
      for (let line = 0; line < 5_000; line++) yield* chunksOf('not a number\n');
      isRead = true;
    };
    expect((await failureOf(said('COPY refused FROM STDIN', { copyIn }))).code).to.equal('22P02');
    expect(isRead).to.equal(true);
    expect(await said('SELECT count(*) FROM refused')).to.include('0');
  });

  it('rows_come_in_bounded_batches_and_one_at_a_time', async () => {
    const sizes: number[] = [];
    let running = 0;
    await said('SELECT n FROM generate_series(1, 20500) AS n', {
      rows: async (rows) => {
        expect(++running).to.equal(1);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        sizes.push(rows.length);
      },
    });
    expect(sizes).to.deep.equal([...Array.from({ length: 20 }, () => 1_000), 500]);
  });

  it('socket_is_paused_while_the_handler_works', async () => {
    const socket = new Socket();
    let release = (): void => {};
    const copyOut = () =>
      new Promise<void>((resolve) => {
        release = resolve;
      });
    const answer = new ServerAnswer(socket, recorder({ copyOut }), {
      onNotice: () => {},
      onHandlerFailed: () => {},
    });
    answer.onMessage(new CopyDataMessage(5, Buffer.from('x')));
    const ended = answer.end(Promise.resolve());
    await new Promise((resolve) => setImmediate(resolve));
    expect(socket.isPaused()).to.equal(true);
    release();
    await ended;
    expect(socket.isPaused()).to.equal(false);
  });

  it('cancel_ends_the_statement_and_not_the_next', async () => {
    expect(await codeOfCancelled(connection)).to.equal('57014');
    connection.cancel();
    expect(await said('SELECT 7 AS n')).to.deep.equal(['columns n:23', '7', 'done SELECT 1']);
  });

  it('what_the_handler_throws_is_the_error', async () => {
    const rows = async () => {
      throw new Error('output is closed');
    };
    const failure = await failureOf(said('SELECT n FROM generate_series(1, 100000) AS n', { rows }));
    expect(failure.message).to.equal('output is closed');
    expect(await said('SELECT 7 AS n')).to.include('7');
  });

  it('connection_that_is_lost_is_an_error', async () => {
    const other = await openServer(`postgresql://alopex@127.0.0.1:${served.port}`);
    await other.close();
    expect((await failureOf(other.run('SELECT 1', recorder()))).code).to.match(/^08/);
  });

  it('address_of_several_hosts_is_of_the_first_that_is_what_is_wanted', async () => {
    const several = `postgresql://alopex@127.0.0.1:1,127.0.0.1:${served.port}/alopex`;
    const other = await openServer(several, 'read-write');
    try {
      const handler = recorder();
      await other.run('SELECT 7 AS n', handler);
      expect(handler.said).to.include('7');
      expect(other.place).to.equal(`127.0.0.1:${served.port}`);
    } finally {
      await other.close();
    }
    const failure = await failureOf(openServer(`${several}?target_session_attrs=standby`, 'read-write'));
    expect(failure.code).to.equal('08006');
    expect(failure.message).to.match(/standby/);
  });
});

describe('shell on a server with passwords and TLS', () => {
  it('cancels_over_tls', async () => {
    const served = await ServedDatabase.open({ authentication: 'scram', tls: selfSigned() });
    await new EmbeddedDatabase(served.engine).execute("ALTER ROLE alopex PASSWORD 'secret'");
    const connection = await openServer(
      `postgresql://alopex:secret@127.0.0.1:${served.port}/alopex?sslmode=require`,
    );
    expect(await codeOfCancelled(connection)).to.equal('57014');
    await connection.close();
    await served.close();
  });
});
