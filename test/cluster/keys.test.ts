import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { roles, Servers } from './servers.ts';

const cli = join(import.meta.dirname, '../../bin/alopex-cli.js');
const run = promisify(execFile);

const cert = async (...options: readonly string[]): Promise<string> =>
  (await run(process.execPath, [cli, 'cert', ...options])).stdout;

describe('a rotation of the authority', () => {
  it('is over once all nodes have new certificates, and not before', async () => {
    const servers = await Servers.make(3);
    const data = servers.nodes[0]!.data;
    const finish = async (): Promise<string> => cert('rotate', '--finish', '--data', data).catch(String);
    try {
      await servers.start(0, 'primary');
      for (const index of [1, 2]) await servers.start(index, 'replica');
      await servers.until(0, roles, ['primary', 'replica', 'replica']);
      await servers.ask(0, 'CREATE TABLE t (id int PRIMARY KEY)');
      await servers.nodes[2]!.process!.kill();
      await cert('rotate', '--data', data);
      expect(await finish()).to.match(/55000: not known to have .*node 3/);
      await servers.restart(2);
      const untilMs = performance.now() + 60_000;
      while (/55000/.test(await finish())) expect(performance.now()).to.be.below(untilMs);
      const shown = await Promise.all(servers.nodes.map((node) => cert('show', '--data', node.data)));
      const signers = shown.map((text) => /signed by +(\w+)/.exec(text)?.[1]);
      expect(new Set(signers).size).to.equal(1);
      for (const index of [0, 1, 2]) {
        await servers.nodes[index]!.process!.kill();
        await servers.restart(index);
        await servers.until(index, `INSERT INTO t VALUES (${index})`, []);
      }
      await servers.until(0, 'SELECT id FROM t ORDER BY id', [0, 1, 2]);
    } finally {
      await servers.close();
    }
  });
});

describe('a node whose key is revoked', () => {
  it('learns nothing new, writes nothing, and has no vote, also when it is started again', async () => {
    const servers = await Servers.make(3);
    const [primary, other, revoked] = [0, 1, 2];
    const here = "SET alopex.read_from = 'nearest'; SELECT count(*)::int FROM t";
    const refusal = async (index: number): Promise<unknown> =>
      servers.ask(index, "SET statement_timeout = '2s'; INSERT INTO t VALUES (99)").then(
        () => 'written',
        () => 'refused',
      );
    try {
      await servers.start(primary, 'primary');
      await servers.start(other, 'replica');
      await servers.start(revoked, 'replica');
      await servers.until(primary, roles, ['primary', 'replica', 'replica']);
      await servers.ask(primary, 'CREATE TABLE t (id int PRIMARY KEY)');
      await servers.ask(primary, 'INSERT INTO t VALUES (1)');
      await servers.until(revoked, here, [1]);
      await cert('revoke', '--node', '3', '--data', servers.nodes[primary]!.data);
      await servers.until(primary, 'SELECT state FROM alopex.replication WHERE node = 3', ['dead']);
      await servers.ask(primary, 'INSERT INTO t VALUES (2)');
      await servers.until(other, here, [2]);
      expect([await refusal(revoked), await servers.ask(revoked, here)]).to.deep.equal(['refused', [1]]);

      await servers.nodes[revoked]!.process!.kill();
      await servers.restart(revoked);
      expect(await refusal(revoked)).to.equal('refused');
      // Nobody tells it how much is committed: it may know less than before.
      const seen = await servers.ask(revoked, here).catch(() => [0]);
      expect(seen[0]).to.be.at.most(1);

      // Two of three are a majority, if both may vote.
      await servers.nodes[primary]!.process!.kill();
      expect(await refusal(other)).to.equal('refused');
      await servers.restart(primary);
      await servers.until(other, 'INSERT INTO t VALUES (3) ON CONFLICT DO NOTHING', []);
      expect(await servers.ask(other, 'SELECT id FROM t ORDER BY id')).to.deep.equal([1, 2, 3]);
    } finally {
      await servers.close();
    }
  });
});
