import { expect } from 'chai';
import type { MemoryClient } from './test-kit/memory-client.ts';
import {
  bind,
  cancelRequest,
  execute,
  message,
  parse,
  query,
  request,
  sslRequest,
  startup,
  sync,
  terminate,
} from './test-kit/messages.ts';
import { ServedDatabase } from './test-kit/served-database.ts';

const connectionsMax = 5;
const gssRequest = request(80_877_104);

describe('a connection', () => {
  let served: ServedDatabase;

  before(async () => {
    served = await ServedDatabase.open({ connectionsMax });
  });
  after(() => served.close());

  /** What the server says to bytes that begin a connection. */
  async function answersTo(...packets: readonly Uint8Array[]): Promise<readonly string[]> {
    const client = served.wire();
    client.send(...packets);
    const answers = await client.until('ReadyForQuery');
    client.close();
    return answers;
  }

  describe('startup', () => {
    it('welcomes anybody from loopback, whether the role exists or not', async () => {
      for (const user of ['alopex', 'somebody']) {
        const answers = await answersTo(startup({ user, database: 'alopex', application_name: 'tests' }));
        expect(answers[0]).to.equal('Authentication 0');
        expect(answers).to.include('ParameterStatus application_name=tests');
        expect(answers).to.include('ParameterStatus server_encoding=UTF8');
        expect(answers).to.include('ParameterStatus integer_datetimes=on');
        expect(answers.slice(-2)).to.deep.equal(['BackendKeyData', 'ReadyForQuery I']);
      }
    });

    it('an unknown user on loopback is a superuser under that name', async () => {
      const client = await served.client({ user: 'somebody', database: 'alopex' });
      expect(await client.ask(query("SELECT current_user, current_setting('is_superuser')"))).to.include(
        'DataRow somebody on',
      );
      client.close();
    });

    it('tells which protocol it speaks when it is asked for a newer one', async () => {
      const answers = await answersTo(startup({ user: 'alopex', '_pq_.wishes': 'on' }, (3 << 16) + 2));
      expect(answers[0]).to.equal('NegotiateProtocolVersion 196608 _pq_.wishes');
      expect(answers.at(-1)).to.equal('ReadyForQuery I');
    });

    it('settings and options of the startup packet hold', async () => {
      const client = await served.client({
        TimeZone: 'Asia/Tokyo',
        options: '-c work_mem=8MB --IntervalStyle=iso_8601',
      });
      expect(await client.ask(query('SHOW TimeZone'))).to.include('DataRow Asia/Tokyo');
      expect(await client.ask(query('SHOW work_mem'))).to.include('DataRow 8MB');
      expect(await client.ask(query('SHOW IntervalStyle'))).to.include('DataRow iso_8601');
      client.close();
    });

    it('refuses with FATAL and the right code', async () => {
      const cases: readonly (readonly [Uint8Array, RegExp])[] = [
        [startup({}), /^ErrorResponse FATAL 28000 no PostgreSQL user name/],
        [
          startup({ user: 'a', database: 'none' }),
          /^ErrorResponse FATAL 3D000 database "none" does not exist/,
        ],
        [startup({ user: 'a' }, 2 << 16), /^ErrorResponse FATAL 0A000 unsupported frontend protocol 2.0/],
        [startup({ user: 'alopex', replication: 'database' }), /^ErrorResponse FATAL 0A000 /],
        [startup({ user: 'alopex', TimeZone: 'Nowhere' }), /^ErrorResponse FATAL 22023 /],
        [message('', (out) => out.int32(3 << 16)), /^ErrorResponse FATAL 08P01 /],
      ];
      for (const [packet, expected] of cases) expect((await answersTo(packet)).at(-1)).to.match(expected);
    });

    it('past the limit a client gets 53300, and a place that is freed is free', async () => {
      const clients: MemoryClient[] = [];
      for (let index = 0; index < connectionsMax; index++) clients.push(await served.client());
      expect(await answersTo(startup())).to.deep.equal([
        'ErrorResponse FATAL 53300 sorry, too many clients already',
      ]);
      clients[0]!.send(terminate);
      expect((await answersTo(startup())).at(-1)).to.equal('ReadyForQuery I');
      for (const client of clients) client.close();
    });

    it('encryption is offered once: without a certificate the answer is N', async () => {
      const answered: number[] = [];
      const client = served.wire();
      client.onBytes = (bytes) => answered.push(...bytes);
      client.send(sslRequest, gssRequest);
      await new Promise(setImmediate);
      expect(String.fromCharCode(...answered)).to.equal('NN');
      client.send(sslRequest);
      await new Promise(setImmediate);
      expect(client.isClosed).to.equal(true);
    });

    it('keeps at most 64 KiB of what comes before authentication', async () => {
      for (const [packet, pushed] of [
        [message('', (out) => out.raw(new Uint8Array(9_990))), 9_900],
        [message('', (out) => out.int32(3 << 16)).with(2, 0xff), 8],
      ] as const) {
        const client = served.wire();
        for (const byte of packet.subarray(0, pushed)) client.send(new Uint8Array([byte]));
        client.send(new Uint8Array(1_000_000));
        await new Promise(setImmediate);
        expect(client.isClosed).to.equal(true);
      }
    });
  });

  it('is cancelled by a request with its secret, and by no other', async () => {
    const client = await served.client();
    const { processId, secret } = client.transcript;
    client.send(query('SELECT count(*) FROM generate_series(1, 1000000000)'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    served.wire().send(cancelRequest(processId, secret ^ 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(client.transcript.lines.at(-1), 'it goes on').to.equal('ReadyForQuery I');
    const canceller = served.wire();
    canceller.send(cancelRequest(processId, secret));
    expect((await client.until('ReadyForQuery')).at(-2)).to.equal(
      'ErrorResponse ERROR 57014 canceling statement due to user request',
    );
    expect(canceller.isClosed).to.equal(true);
    expect(await client.ask(query('SELECT 1'))).to.include('DataRow 1');
    client.close();
  });

  it('a client that does not read its rows holds them back', async () => {
    const client = await served.client();
    client.stopReading();
    client.send(query('SELECT repeat($$x$$, 1000) FROM generate_series(1, 100000)'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.unread).to.be.within(200_000, 1_000_000);
    client.startReading();
    const answers = await client.until('ReadyForQuery');
    expect(answers.at(-2)).to.equal('CommandComplete SELECT 100000');
    client.close();
  });

  it('a client that sends and does not read is read no more', async () => {
    const client = await served.client();
    await client.ask(parse("SELECT repeat('x', 10000), length($1::text)", 'p'), sync);
    client.stopReading();
    const once = [bind(['y'.repeat(20_000)], { statement: 'p' }), execute(), sync];
    let sent = 0;
    for (; !client.isPaused && sent < 1000; sent++) {
      client.sendTogether(...once);
      await new Promise(setImmediate);
    }
    expect(client.isPaused).to.equal(true);
    expect(client.unread).to.be.below(1_000_000);
    client.startReading();
    const answers = await client.until('ReadyForQuery', sent);
    expect(answers.filter((line) => line === 'CommandComplete SELECT 1')).to.have.length(sent);
    expect(client.isPaused).to.equal(false);
    client.close();
  });

  it('idle timeouts end it: outside a transaction, and inside one', async () => {
    const cases = [
      [
        'SET idle_session_timeout = 30',
        'ErrorResponse FATAL 57P05 terminating connection due to idle-session timeout',
      ],
      [
        'SET idle_in_transaction_session_timeout = 30; BEGIN',
        'ErrorResponse FATAL 25P03 terminating connection due to idle-in-transaction timeout',
      ],
    ] as const;
    for (const [sql, expected] of cases) {
      const client = await served.client();
      await client.ask(query(sql));
      expect(await client.until('never')).to.deep.equal([expected]);
    }
    const busy = await served.client();
    await busy.ask(query('SET idle_in_transaction_session_timeout = 30; BEGIN; COMMIT'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await busy.ask(query('SELECT 1'))).to.include('DataRow 1');
    busy.close();
  });

  it('a server that stops says so to everybody', async () => {
    const other = await ServedDatabase.open();
    const client = await other.client();
    await other.close();
    expect(await client.until('never')).to.deep.equal([
      'ErrorResponse FATAL 57P01 terminating connection due to administrator command',
    ]);
  });
});
