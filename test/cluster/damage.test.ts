import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { roles, Servers } from './servers.ts';

const rows = `INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 20000) AS n ON CONFLICT DO NOTHING`;
const count = 'SELECT count(*)::int FROM t WHERE length(v) > 0';

async function three(): Promise<Servers> {
  const servers = await Servers.make(3);
  await servers.start(0, 'primary');
  await servers.start(1, 'replica');
  await servers.start(2, 'replica');
  await servers.until(0, roles, ['primary', 'replica', 'replica']);
  return servers;
}

/** In the midst of each file, so that none that is read is whole. */
async function damage(directory: string): Promise<number> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.sst'));
  for (const name of files) await damageFile(join(directory, name));
  return files.length;
}

async function damageFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(Buffer.alloc(64, 0xa5), 0, 64, Math.floor(size / 2));
  await file.close();
}

describe('three servers', () => {
  it('a replica whose files are damaged gets the rows of another one', async () => {
    const servers = await three();
    try {
      await servers.until(0, 'CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, v text)', []);
      await servers.until(0, rows, []);
      await servers.until(2, count, [20_000]);
      await servers.ask(2, 'CHECKPOINT');
      await servers.nodes[2]!.process!.kill();
      expect(await damage(join(servers.nodes[2]!.data, 'rows'))).to.be.above(0);
      await servers.restart(2);
      await servers.until(2, `SET alopex.read_from = 'nearest'; ${count}`, [20_000]);
      await servers.until(0, "INSERT INTO t VALUES (0, 'new') ON CONFLICT DO NOTHING", []);
      await servers.until(2, `SET alopex.read_from = 'nearest'; ${count}`, [20_001]);
    } finally {
      await servers.close();
    }
  });

  it('a node whose log is found damaged while it runs joins anew at its next start', async () => {
    const servers = await three();
    const numbers = 'SELECT node FROM alopex.replication ORDER BY node';
    const node = servers.nodes[2]!;
    const past = 'SELECT count(*)::int FROM t FOR SYSTEM_TIME AS OF OFFSET';
    try {
      await servers.until(0, 'CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, v text)', []);
      await servers.until(0, rows, []);
      // Another epoch begins another segment: what is before, and in the files of rows, is not looked at when the node starts.
      for (const [turn, next] of [1, 0, 1].entries()) {
        await servers.until(next, 'CALL alopex.promote()', []);
        await servers.until(0, `INSERT INTO t VALUES (${-turn}, 'new') ON CONFLICT DO NOTHING`, []);
        await servers.until(2, `SET alopex.read_from = 'nearest'; ${count}`, [20_001 + turn]);
        await servers.ask(2, 'CHECKPOINT');
      }
      const log = join(node.data, 'log');
      const segments = (await readdir(log)).filter((name) => name.endsWith('.log')).sort();
      await damageFile(join(log, segments[1]!));
      await node.process!.kill();
      await servers.restart(2);
      await servers.until(2, `SET alopex.read_from = 'nearest'; ${count}`, [20_003]);
      const read = async (at: number): Promise<unknown> =>
        servers.ask(2, `SET alopex.read_from = 'nearest'; ${past} ${at}`).catch((error) => error.code);
      const answers: unknown[] = [];
      for (let at = 100; at < 20_000; at += 500) answers.push(await read(at));
      expect(answers).to.include('XX001');
      await node.process!.kill();
      await servers.restart(2);
      await servers.until(2, `SET alopex.read_from = 'nearest'; ${count}`, [20_003]);
      await servers.until(0, numbers, [1, 2, 4]);
      expect((await readdir(node.data)).filter((name) => name.startsWith('damaged-'))).to.have.lengthOf(1);
    } finally {
      await servers.close();
    }
  });
});
