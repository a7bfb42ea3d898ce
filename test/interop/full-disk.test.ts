import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../../api/open.ts';
import { AlopexError } from '../../base/errors.ts';

const diskBytes = 8 * 1024 * 1024;
const fillerBytes = 6 * 1024 * 1024;

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
});
