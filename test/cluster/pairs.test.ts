import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Database } from '../../api/index.ts';
import { ClusterNode } from './cluster.ts';
import { loopbackNetwork } from './network.ts';

const lookMs = 50;
const patienceMs = 60_000;

/** Servers that a test starts by itself, on free ports of loopback. */
class Servers {
  readonly nodes: readonly ClusterNode[];
  readonly #directory: string;

  private constructor(nodes: readonly ClusterNode[], directory: string) {
    this.nodes = nodes;
    this.#directory = directory;
  }

  static async make(count: number): Promise<Servers> {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-cluster-'));
    const { places } = await loopbackNetwork(count);
    return new Servers(
      places.map((place, index) => new ClusterNode(index, place, directory)),
      directory,
    );
  }

  start(index: number, mode: string): Promise<void> {
    const joins = mode === 'primary' ? [] : ['--primary', this.nodes[index === 0 ? 1 : 0]!.address];
    return this.nodes[index]!.start(['--mode', mode, ...joins], {});
  }

  /** As it was started first. */
  restart(index: number): Promise<void> {
    return this.start(index, index === 0 ? 'primary' : 'replica');
  }

  async connected<T>(index: number, use: (database: Database) => Promise<T>): Promise<T> {
    await using database = await Database.open({ url: `postgresql://alopex@${this.nodes[index]!.address}` });
    return await use(database);
  }

  ask(index: number, sql: string): Promise<readonly unknown[]> {
    return this.connected(index, async (database) => {
      const { rows } = await database.query<Record<string, unknown>>(sql);
      return rows.map((row) => Object.values(row)[0]);
    });
  }

  /** Asked again and again, for whatever reason it is not so yet. */
  async until(index: number, sql: string, expected: unknown): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    for (let last: unknown; ; await setTimeout(lookMs)) {
      last = await this.ask(index, sql).catch(String);
      if (JSON.stringify(last) === JSON.stringify(expected)) return;
      if (performance.now() > untilMs) expect(last, sql).to.deep.equal(expected);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(({ process }) => process?.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const roles = 'SELECT role FROM alopex.replication ORDER BY node';

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
