import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../../api/open.ts';
import { AlopexError } from '../../base/errors.ts';

const diskBytes = 8 * 1024 * 1024;
const fillerBytes = 6 * 1024 * 1024;

async function sizeOf(directory: string): Promise<number> {
  const sizes = (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** A real file system of 8 MiB, which root may mount. */
describe('a disk that is full', () => {
  let disk: string;

  before(async () => {
    disk = await mkdtemp(join(tmpdir(), 'alopex-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
  });
  after(async () => {
    execFileSync('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  it('refuses writes with 53100, serves reads, and takes writes when there is room', async () => {
    const filler = join(disk, 'filler');
    const path = join(disk, 'data');
    await writeFile(filler, new Uint8Array(fillerBytes));
    const problems: AlopexError[] = [];
    let database = await Database.open({ path, onProblem: (problem) => problems.push(problem) });
    const count = async () => (await database.query('SELECT count(*)::int AS n FROM t')).rows[0]?.n;
    const insert = () => database.query(`INSERT INTO t (v) VALUES (repeat('0123456789', 2000))`);
    await database.query('CREATE TABLE t (id bigserial PRIMARY KEY, v text)');

    let acknowledged = 0;
    let refusal: unknown = null;
    while (refusal === null && acknowledged < 1000) {
      try {
        await insert();
        acknowledged += 1;
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).to.be.instanceOf(AlopexError);
    expect((refusal as AlopexError).condition).to.equal('disk_full');
    expect(acknowledged).to.be.greaterThan(0);
    expect(await count()).to.equal(acknowledged);

    await rm(filler);
    await insert();
    expect(await count()).to.equal(acknowledged + 1);
    await database.close();
    database = await Database.open({ path, onProblem: (problem) => problems.push(problem) });
    expect(await count()).to.equal(acknowledged + 1);
    await database.close();
    expect(problems.filter(({ condition }) => condition !== 'disk_full')).to.deep.equal([]);
  });

  it('leaves no index that it had no room for, and no file of it', async () => {
    const path = join(disk, 'indexed');
    const filler = join(disk, 'filler');
    const problems: AlopexError[] = [];
    const database = await Database.open({ path, onProblem: (problem) => problems.push(problem) });
    await database.execute('CREATE TABLE u (id int PRIMARY KEY, v text)');
    await database.execute('INSERT INTO u SELECT n, md5(n::text) FROM generate_series(1, 20000) n');
    await database.execute('CHECKPOINT');
    const bytesBefore = await sizeOf(join(path, 'rows'));
    // Room for the states of the index in the log, and not for its entries.
    const { bavail, bsize } = await statfs(disk);
    await writeFile(filler, new Uint8Array(bavail * bsize - 300 * 1024));
    const build = () => database.execute('CREATE INDEX u_v ON u (v)');
    const refusal = await build().then(
      () => null,
      (error: AlopexError) => error,
    );
    expect(refusal?.condition).to.equal('disk_full');
    const indexes = await database.query("SELECT relname FROM pg_class WHERE relname = 'u_v'");
    expect(indexes.rows).to.deep.equal([]);
    const { rows } = await database.query("SELECT id FROM u WHERE v = md5('77')");
    expect(rows).to.deep.equal([{ id: 77 }]);
    const bytesAfter = await sizeOf(join(path, 'rows'));
    // What the build brought into files before it began; of the index, nothing.
    expect(bytesAfter - bytesBefore).to.be.below(10_000);
    await rm(filler);
    await build();
    expect((await database.query("SELECT id FROM u WHERE v = md5('78')")).rows).to.deep.equal([{ id: 78 }]);
    await database.close();
    expect(problems.filter(({ condition }) => condition !== 'disk_full')).to.deep.equal([]);
  });
});
