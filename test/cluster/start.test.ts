import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Database } from '../../api/index.ts';
import { roles, Servers } from './servers.ts';

const beginMs = 2_000;

/** How a start ends that must not come to be. */
async function refusal(start: Promise<void>): Promise<string> {
  return start.then(
    () => 'started',
    (error: unknown) => String(error),
  );
}

describe('the start of a server of a cluster', () => {
  let servers: Servers;
  beforeEach(async () => {
    servers = await Servers.make(3);
  });
  afterEach(() => servers.close());

  it('a replica waits for its primary, whichever is started first', async () => {
    const replica = servers.start(1, 'replica');
    const before = await Promise.race([replica.then(() => 'started'), setTimeout(beginMs, 'waiting')]);
    expect(before).to.equal('waiting');
    await servers.start(0, 'primary');
    await replica;
    await servers.until(0, roles, ['primary', 'replica']);
    const [, { complaints }] = servers.nodes as [unknown, (typeof servers.nodes)[number]];
    expect(complaints.map(({ text }) => text)).to.have.lengthOf(1);
    expect(complaints[0]!.text).to.match(/trying again for 60 s$/);
  });

  it('a directory that has a database does not become a replica, and keeps what it has', async () => {
    await servers.start(0, 'primary');
    await servers.nodes[1]!.start([], {});
    await servers.ask(1, 'CREATE TABLE mine (id int)');
    await servers.nodes[1]!.process!.kill();
    expect(await refusal(servers.start(1, 'replica'))).to.match(/node-1 holds a database already/);
    expect(await servers.ask(0, roles)).to.deep.equal(['primary']);
    await servers.nodes[1]!.start([], {});
    expect(await servers.ask(1, 'SELECT count(*)::int FROM mine')).to.deep.equal([0]);
  });

  it('who finds its port taken becomes no member', async () => {
    await servers.start(0, 'primary');
    const taker = createServer();
    const { host, port } = servers.nodes[1]!.place;
    await new Promise<void>((resolve) => taker.listen(port, host, resolve));
    try {
      expect(await refusal(servers.start(1, 'replica'))).to.match(new RegExp(`${port}.*in use`));
      expect(await servers.ask(0, roles)).to.deep.equal(['primary']);
    } finally {
      taker.close();
    }
    await servers.start(1, 'replica');
    await servers.until(0, roles, ['primary', 'replica']);
  });

  it('a password is set at the first start of a primary, and at a later one', async () => {
    const [node] = servers.nodes as [(typeof servers.nodes)[number]];
    const mayLogIn = async (password: string): Promise<boolean> => {
      const url = `postgresql://alopex:${password}@${node.address}/alopex?sslmode=disable`;
      try {
        await using database = await Database.open({ url });
        await database.query('SELECT 1');
        return true;
      } catch (error) {
        expect(error).to.have.property('code', '28P01');
        return false;
      }
    };
    for (const password of ['first', 'second']) {
      await node.start(['--mode', 'primary', '--auth', 'scram'], { ALOPEX_PASSWORD: password });
      expect([await mayLogIn('first'), await mayLogIn('second')]).to.deep.equal([
        password === 'first',
        password === 'second',
      ]);
      await node.process!.kill();
    }
  });
});
