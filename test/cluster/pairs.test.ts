import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { roles, Servers } from './servers.ts';

describe('two servers with rows', () => {
  it('and a witness: one takes over by itself when the other is killed', async () => {
    const servers = await Servers.make(3);
    try {
      await servers.start(0, 'primary');
      await servers.start(1, 'replica');
      await servers.start(2, 'witness');
      await servers.until(0, roles, ['primary', 'replica', 'witness']);
      await servers.ask(0, 'CREATE TABLE t (id int PRIMARY KEY)');
      await servers.ask(0, 'INSERT INTO t VALUES (1)');
      await servers.nodes[0]!.process!.kill();
      await servers.until(1, 'INSERT INTO t VALUES (2) ON CONFLICT DO NOTHING', []);
      expect(await servers.ask(1, 'SELECT id FROM t ORDER BY id')).to.deep.equal([1, 2]);
      await servers.start(0, 'replica');
      await servers.until(0, 'SELECT id FROM t ORDER BY id', [1, 2]);
      await servers.until(1, roles, ['replica', 'primary', 'witness']);
    } finally {
      await servers.close();
    }
  });

  it('alone: a person decides; the other one comes back as its replica, and keeps what it lost', async () => {
    const servers = await Servers.make(2);
    try {
      await servers.start(0, 'primary');
      await servers.start(1, 'replica');
      await servers.until(0, roles, ['primary', 'replica']);
      const [failover] = await servers.ask(0, 'SELECT failover FROM alopex.cluster');
      expect(failover).to.match(/^by hand/);
      await servers.ask(0, 'CREATE TABLE t (id int PRIMARY KEY)');
      await servers.ask(0, 'INSERT INTO t VALUES (1)');
      // It leads until its followers have been silent for a while, and answers without them.
      const isLost = await servers.connected(0, async (database) => {
        await database.query("SET alopex.replication_mode = 'async'");
        await servers.nodes[1]!.process!.kill();
        const written = database.query('INSERT INTO t VALUES (77)');
        return written.then(
          () => true,
          () => false,
        );
      });
      await servers.nodes[0]!.process!.kill();
      await servers.restart(1);
      await servers.until(1, "CALL alopex.promote(force => 'on')", []);
      await servers.ask(1, 'INSERT INTO t VALUES (2)');
      expect(await servers.ask(1, 'SELECT id FROM t ORDER BY id')).to.deep.equal([1, 2]);
      expect(await servers.ask(1, roles)).to.deep.equal(['learner', 'primary']);

      await servers.restart(0);
      await servers.until(1, roles, ['replica', 'primary']);
      await servers.until(0, 'SELECT id FROM t ORDER BY id', [1, 2]);
      await servers.ask(0, 'INSERT INTO t VALUES (3)');
      await servers.until(1, 'SELECT id FROM t ORDER BY id', [1, 2, 3]);
      if (isLost) expect(await readdir(join(servers.nodes[0]!.data, 'lost'))).to.have.lengthOf(1);
    } finally {
      await servers.close();
    }
  });
});
