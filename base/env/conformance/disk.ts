import { expect } from 'chai';
import { bytes, conditionOf, type EnvHarness } from './harness.ts';

/** What every Disk promises, whatever is beneath it. */
export function describeDisk(name: string, run: EnvHarness): void {
  describe(`${name}: disk`, () => {
    it('reads what was written, and less at the end of the file', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        await file.write(0, [bytes(1, 2), bytes(3)]);
        expect(await file.size()).to.equal(3);
        expect(await file.read(1, 10)).to.deep.equal(bytes(2, 3));
        expect(await file.read(3, 10)).to.deep.equal(bytes());
        expect(await file.read(100, 10)).to.deep.equal(bytes());
        await file.close();
      }));

    it('writes durably at a position, over and past what is there', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        await file.writeDurably(0, [bytes(1, 2, 3, 4)]);
        await file.writeDurably(2, [bytes(5), bytes(6, 7, 8)]);
        await file.writeDurably(8, [bytes(9)]);
        await file.writeDurably(9, []);
        expect(await file.read(0, 20)).to.deep.equal(bytes(1, 2, 5, 6, 7, 8, 0, 0, 9));
        await file.close();
      }));

    it('carries large and many-chunked writes whole', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        const large = Uint8Array.from({ length: 3 << 20 }, (_, index) => (index * 7) & 255);
        const many = Array.from({ length: 3000 }, (_, index) => bytes(index & 255));
        await file.writeDurably(0, [large.subarray(0, 5), large.subarray(5)]);
        await file.write(large.length, many);
        expect(Buffer.compare(await file.read(0, large.length), large)).to.equal(0);
        expect(Buffer.compare(await file.read(large.length, 4000), Buffer.concat(many))).to.equal(0);
        await file.close();
      }));

    it('does not see changes that the caller makes to its bytes after the call is answered', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        const chunk = bytes(1, 2);
        await file.write(0, [chunk]);
        chunk.fill(9);
        const read = await file.read(0, 2);
        read.fill(7);
        expect(await file.read(0, 2)).to.deep.equal(bytes(1, 2));
        await file.close();
      }));

    it('preallocates zeros, keeps what is there, and truncates', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        await file.write(0, [bytes(1, 2)]);
        await file.preallocate(70_000);
        expect(await file.size()).to.equal(70_000);
        expect(await file.read(0, 4)).to.deep.equal(bytes(1, 2, 0, 0));
        await file.preallocate(10);
        expect(await file.size()).to.equal(70_000);
        await file.truncate(1);
        expect(await file.read(0, 10)).to.deep.equal(bytes(1));
        await file.truncate(3);
        expect(await file.read(0, 10)).to.deep.equal(bytes(1, 0, 0));
        await file.sync();
        await file.close();
      }));

    it('opens by mode: create needs absence, read and write need presence', () =>
      run(async ({ disk }, directory) => {
        const path = `${directory}/a`;
        expect(await conditionOf(disk.open(path, 'read'))).to.equal('undefined_file');
        expect(await conditionOf(disk.open(path, 'write'))).to.equal('undefined_file');
        await (await disk.open(path, 'create')).close();
        expect(await conditionOf(disk.open(path, 'create'))).to.equal('io_error');
        const reader = await disk.open(path, 'read');
        expect(await conditionOf(reader.write(0, [bytes(1)]))).to.equal('io_error');
        const writer = await disk.open(path, 'write');
        await writer.write(0, [bytes(1)]);
        expect(await reader.read(0, 1)).to.deep.equal(bytes(1));
        await reader.close();
        await writer.close();
      }));

    it('names the path in its errors', () =>
      run(async ({ disk }, directory) => {
        const path = `${directory}/absent`;
        const error = await disk.open(path, 'read').then(
          () => null,
          (thrown: Error) => thrown,
        );
        expect(error?.message).to.contain(`could not open file "${path}": ENOENT`);
      }));

    it('lists, renames over, removes', () =>
      run(async ({ disk }, directory) => {
        await disk.makeDirectory(`${directory}/x/y`);
        await disk.makeDirectory(`${directory}/x/y`);
        for (const name of ['b', 'a']) {
          const file = await disk.open(`${directory}/x/${name}`, 'create');
          await file.write(0, [bytes(name.charCodeAt(0))]);
          await file.close();
        }
        expect(await disk.list(`${directory}/x`)).to.deep.equal([
          { name: 'a', kind: 'file' },
          { name: 'b', kind: 'file' },
          { name: 'y', kind: 'directory' },
        ]);
        await disk.rename(`${directory}/x/b`, `${directory}/x/a`);
        await disk.syncDirectory(`${directory}/x`);
        const file = await disk.open(`${directory}/x/a`, 'read');
        expect(await file.read(0, 1)).to.deep.equal(bytes(98));
        await file.close();
        expect(await conditionOf(disk.remove(`${directory}/x`))).to.equal('io_error');
        await disk.remove(`${directory}/x/a`);
        await disk.remove(`${directory}/x/y`);
        expect(await disk.list(`${directory}/x`)).to.deep.equal([]);
        expect(await disk.exists(`${directory}/x`)).to.equal(true);
        expect(await disk.exists(`${directory}/x/a`)).to.equal(false);
        expect(await disk.exists(`${directory}/x/a/b`)).to.equal(false);
      }));

    it('answers undefined_file for what is not there', () =>
      run(async ({ disk }, directory) => {
        const absent = `${directory}/absent`;
        expect(await conditionOf(disk.list(absent))).to.equal('undefined_file');
        expect(await conditionOf(disk.remove(absent))).to.equal('undefined_file');
        expect(await conditionOf(disk.rename(absent, `${directory}/b`))).to.equal('undefined_file');
        expect(await conditionOf(disk.syncDirectory(absent))).to.equal('undefined_file');
        expect(await conditionOf(disk.open(`${absent}/a`, 'create'))).to.equal('undefined_file');
      }));

    it('keeps reading and writing a file that was renamed or removed while open', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        await disk.rename(`${directory}/a`, `${directory}/b`);
        await file.write(0, [bytes(1)]);
        const other = await disk.open(`${directory}/b`, 'read');
        expect(await other.read(0, 1)).to.deep.equal(bytes(1));
        await disk.remove(`${directory}/b`);
        expect(await other.read(0, 1)).to.deep.equal(bytes(1));
        await file.close();
        await other.close();
      }));

    it('waits on close for what is in flight, and refuses what comes later', () =>
      run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create');
        const answered: string[] = [];
        const writes = [1, 2].map((value) =>
          file.writeDurably(value, [bytes(value)]).then(() => answered.push('write')),
        );
        const closed = file.close().then(() => answered.push('close'));
        expect(await conditionOf(file.read(0, 1))).to.equal('io_error');
        await Promise.all([...writes, closed, file.close()]);
        expect(answered).to.deep.equal(['write', 'write', 'close']);
        const reader = await disk.open(`${directory}/a`, 'read');
        expect(await reader.read(0, 3)).to.deep.equal(bytes(0, 1, 2));
        await reader.close();
      }));

    it('gives a directory to one holder at a time', () =>
      run(async ({ disk }, directory) => {
        const lock = await disk.lock(directory);
        const error = await disk.lock(directory).then(
          () => null,
          (thrown: Error & { condition?: string }) => thrown,
        );
        expect(error?.condition).to.equal('lock_file_exists');
        expect(error?.message).to.contain(directory);
        await lock.release();
        await lock.release();
        await (await disk.lock(directory)).release();
      }));

    it('tells the free bytes', () =>
      run(async ({ disk }, directory) => {
        expect(await disk.freeBytes(directory)).to.be.greaterThan(0);
        expect(await conditionOf(disk.freeBytes(`${directory}/absent`))).to.equal('undefined_file');
      }));
  });
}
