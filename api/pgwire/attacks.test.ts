import { once } from 'node:events';
import net from 'node:net';
import { expect } from 'chai';
import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import { ScramServer } from './scram.ts';
import { bind, cancelRequest, execute, message, parse, query, startup, sync } from './test-kit/messages.ts';
import { ServedDatabase } from './test-kit/served-database.ts';

/** What clients do that mean harm, or are broken. */
describe('pgwire: under attack', () => {
  let served: ServedDatabase;
  before(async () => {
    served = await ServedDatabase.open({ connectionsMax: 2000 });
  });
  after(() => served.close());

  it('500 connections that come and go at once, however they go, leave no session and no socket', async () => {
    const ways: ((socket: net.Socket) => void)[] = [
      (socket) => socket.destroy(),
      (socket) => {
        socket.write(startup());
        socket.resetAndDestroy();
      },
      (socket) => {
        socket.write(startup());
        socket.once('data', () => socket.destroy());
      },
      (socket) => socket.resume().end(startup().subarray(0, 5)),
      (socket) => socket.resume().write(Buffer.concat([startup(), query('SELECT 1'), message('X')])),
    ];
    const visits = Array.from({ length: 500 }, async (_, index) => {
      const socket = net.connect(served.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('connect', () => ways[index % ways.length]!(socket));
      await once(socket, 'close');
    });
    await Promise.all(visits);
    while (served.server.connectionCount > 0) await new Promise(setImmediate);
    expect(served.engine.sessions.size).to.equal(0);
    expect(served.problems).to.deep.equal([]);
  });

  it('a cancel that comes when nothing runs ends nothing, and one that races ends only what ran then', async () => {
    const client = await served.client();
    const { processId, secret } = client.transcript;
    const cancel = async (): Promise<void> => {
      const wire = served.wire();
      wire.send(cancelRequest(processId, secret));
      while (!wire.isClosed) await new Promise(setImmediate);
    };
    await cancel();
    expect(await client.ask(query('SELECT 1'))).to.include('DataRow 1');
    for (let round = 0; round < 50; round++) {
      const cancelling = cancel();
      await client.ask(query('SELECT count(*) FROM generate_series(1, 20000)'));
      await cancelling;
      expect(await client.ask(query('SELECT 2'))).to.include('DataRow 2');
    }
    client.close();
  });

  it('a cancel in a pipeline ends what runs, and what it began with', async () => {
    const client = await served.client();
    const { processId, secret } = client.transcript;
    await client.ask(query('CREATE TABLE t (a int PRIMARY KEY)'));
    client.send(parse('INSERT INTO t VALUES (1)'), bind(), execute());
    client.send(parse('SELECT pg_sleep(60)'), bind(), execute(), parse('SELECT 1'), bind(), execute(), sync);
    while (!Array.from(served.engine.sessions).some(({ isRunning }) => isRunning))
      await new Promise(setImmediate);
    served.wire().send(cancelRequest(processId, secret));
    const answers = await client.until('ReadyForQuery');
    expect(answers.at(-2)).to.equal('ErrorResponse ERROR 57014 canceling statement due to user request');
    expect(await client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 0');
    client.close();
  });

  it('a COPY whose client is gone leaves nothing', async () => {
    const client = await served.client();
    await client.ask(query('CREATE TABLE c (a int PRIMARY KEY)'));
    const lines = stringToUtf8(Array.from({ length: 5000 }, (_, index) => `${index}\n`).join(''));
    const copying = await served.client();
    copying.send(
      query('COPY c FROM STDIN'),
      message('d', (out) => out.raw(lines)),
    );
    await copying.until('CopyInResponse');
    copying.close();
    while (served.engine.sessions.size > 1) await new Promise(setImmediate);
    expect(await client.ask(query('SELECT count(*) FROM c'))).to.include('DataRow 0');
    expect(await client.ask(query('INSERT INTO c VALUES (1)'))).to.include('CommandComplete INSERT 0 1');
    client.close();
  });

  it('a role that may not log in does not', async () => {
    const client = await served.client();
    await client.ask(query('CREATE ROLE readers'));
    client.close();
    const wire = served.wire();
    wire.send(startup({ user: 'readers', database: 'alopex' }));
    expect((await wire.until('ErrorResponse')).at(-1)).to.equal(
      'ErrorResponse FATAL 28000 role "readers" is not permitted to log in',
    );
  });

  it('SCRAM takes nothing that is malformed', () => {
    const first = (text: string) => new ScramServer('u', null, new Uint8Array(8)).first(text);
    expect(() => first('n,a=root,n=,r=abc')).to.throw('client uses authorization identity');
    expect(() => first('p=x,,n=,r=abc')).to.throw('channel binding was not offered');
    expect(() => first('n,,m=x,n=,r=abc')).to.throw('unsupported SCRAM extension');
    for (const text of ['', 'n', 'n,,n=', 'n,,n=,r=', 'n,,r=abc', '\0\x01', 'n,,n=,r=a\0b'])
      expect(() => first(text), text).to.throw('malformed SCRAM message');
    const final = (text: string) => {
      const server = new ScramServer('u', null, new Uint8Array(8));
      const nonce = server.first('n,,n=,r=abc').split(',')[0]!;
      return server.final(text.replace('NONCE', nonce));
    };
    const proof = Buffer.alloc(32).toString('base64');
    for (const text of ['', 'garbage', `NONCE,p=${proof}`, `c=biws,p=${proof}`, 'c=biws,NONCE'])
      expect(() => final(text), text).to.throw('malformed SCRAM message');
    expect(() => final(`c=AAAA,NONCE,p=${proof}`)).to.throw('channel-binding');
    expect(() => final(`c=biws,r=abc,p=${proof}`)).to.throw('nonce does not match');
    expect(() => final('c=biws,NONCE,p=AAAA')).to.throw('the proof has the wrong length');
    expect(() => final(`c=biws,NONCE,p=${proof}`)).to.throw('password authentication failed');
  });
});
