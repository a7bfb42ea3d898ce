import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../../api/open.ts';
import { crc32c } from '../../base/bytes/crc32c.ts';
import { AlopexError } from '../../base/errors.ts';
import { fileKind } from './file-kind.ts';

const open = new URL('../../api/open.ts', import.meta.url).href;

async function rowsOf(path: string): Promise<readonly unknown[]> {
  const database = await Database.open({ path });
  try {
    return (await database.query('SELECT * FROM t ORDER BY id')).rows;
  } finally {
    await database.close();
  }
}

/** The condition and message of what does not open. */
async function refusalOf(path: string): Promise<string> {
  try {
    await rowsOf(path);
  } catch (error) {
    if (error instanceof AlopexError) return `${error.condition}: ${error.message}`;
    throw error;
  }
  throw new Error('it opened');
}

describe('directories of a database', () => {
  let root: string;
  let path: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'alopex-files-'));
    path = join(root, 'original');
    const database = await Database.open({ path });
    await database.query(`CREATE TABLE t (id int PRIMARY KEY, v text);
      INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 100) AS n; CHECKPOINT; DELETE FROM t WHERE id > 50`);
    await database.close();
  });
  after(() => rm(root, { recursive: true }));

  it('a closed one that was copied elsewhere gives the same answers', async () => {
    const copy = join(root, 'elsewhere', 'copy');
    await cp(path, copy, { recursive: true });
    const rows = await rowsOf(copy);
    expect(rows).to.have.length(50);
    expect(rows).to.deep.equal(await rowsOf(path));
  });

  it('an open one is refused to a second process, by name', async () => {
    const database = await Database.open({ path });
    const source = `import { Database } from ${JSON.stringify(open)};
      Database.open({ path: ${JSON.stringify(path)} }).catch((error) => console.log(error.condition + ': ' + error.message));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
    });
    await database.close();
    expect(stdout).to.match(/^lock_file_exists: .*original.*\n$/);
  }).timeout(30_000);

  describe('written by a newer version', () => {
    /** A copy, one kind of whose files is changed. */
    async function changed(
      kind: string,
      change: (bytes: Buffer) => Uint8Array,
    ): Promise<readonly [string, string]> {
      const copy = await mkdtemp(join(root, `newer-${kind}-`));
      await cp(path, copy, { recursive: true });
      for (const name of await readdir(copy, { recursive: true })) {
        if (fileKind(name) !== kind) continue;
        const file = join(copy, name);
        await writeFile(file, change(await readFile(file)));
        return [copy, file];
      }
      throw new Error(`no file is a ${kind}`);
    }

    it('a manifest is refused by name, whatever its checksum', async () => {
      const [copy, file] = await changed('manifest', (bytes) => {
        bytes.writeUInt32BE(99, 8);
        return bytes;
      });
      expect(await refusalOf(copy)).to.match(
        new RegExp(`^feature_not_supported: ${file} has format version 99`),
      );
    });

    it('an SSTable is refused by name', async () => {
      const [copy, file] = await changed('sstable', (bytes) => {
        bytes.writeUInt32BE(99, bytes.length - 12);
        return bytes;
      });
      expect(await refusalOf(copy)).to.match(
        new RegExp(`^feature_not_supported: ${file} has SSTable format version 99`),
      );
    });

    it('a mark, which has the version of the whole log, is refused by name', async () => {
      const [copy, file] = await changed('mark', (bytes) => {
        for (const slot of [bytes.subarray(0, 32 * 1024), bytes.subarray(32 * 1024)]) {
          slot.writeUInt32BE(99, 4);
          const payload = slot.subarray(16, 16 + slot.readUInt32BE(8));
          slot.writeUInt32BE(crc32c(payload, crc32c(slot.subarray(0, 12))), 12);
        }
        return bytes;
      });
      expect(await refusalOf(copy)).to.match(
        new RegExp(`^feature_not_supported: ${file} has log format version 99`),
      );
    });

    it('a mark with another checksum, too', async () => {
      const [copy, file] = await changed('mark', (bytes) => {
        for (const at of [0, 32 * 1024]) if (bytes.readUInt32BE(at) !== 0) bytes.writeUInt32BE(99, at + 4);
        return bytes;
      });
      expect(await refusalOf(copy)).to.match(
        new RegExp(`^feature_not_supported: ${file} has log format version 99`),
      );
    });

    it('a segment is refused by name and byte', async () => {
      const [copy, file] = await changed('segment', (bytes) => {
        bytes[16] = 3;
        return bytes;
      });
      expect(await refusalOf(copy)).to.match(
        new RegExp(`^data_corrupted: ${file} is corrupt at byte \\d+: record batch version 3, not 2`),
      );
    });
  });
});
