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
  for (const name of files) {
    const file = await open(join(directory, name), 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(64, 0xa5), 0, 64, Math.floor(size / 2));
    await file.close();
  }
  return files.length;
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
});
