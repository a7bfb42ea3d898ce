import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { crc32c, crc32cPortable } from '../../bytes/crc32c.ts';
import { bytes, conditionOf } from '../conformance/harness.ts';
import type { Disk } from '../env.ts';
import { realEnv } from './env.ts';

const { disk } = realEnv();
const module = new URL('./env.ts', import.meta.url).href;

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'alopex-disk-'));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Another process, with `env` and `directory` in scope. */
function start(directory: string, body: string): ChildProcess {
  const source = `const { realEnv } = await import(${JSON.stringify(module)});
    const env = realEnv(); const directory = ${JSON.stringify(directory)}; ${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('real disk: failures', () => {
  const madeDirectory = (path: string): Promise<string> =>
    disk.makeDirectory(path).then(
      () => 'made',
      (error: Error) => error.message,
    );

  it('says which directory cannot be made, and why', () =>
    inDirectory(async (directory) => {
      await writeFile(join(directory, 'file'), '');
      const file = join(directory, 'file');
      const notDirectory = `could not create directory "${file}": it exists and is not a directory`;
      expect(await madeDirectory(file)).to.equal(notDirectory);
      expect(await madeDirectory(join(file, 'x', 'y'))).to.contain(`"${join(file, 'x', 'y')}": ENOTDIR`);
      expect(await madeDirectory('/proc/x/y')).to.contain('could not create directory "/proc/x/y": ENOENT');
      expect(await madeDirectory(join(directory, 'x'.repeat(300)))).to.contain('ENAMETOOLONG');
    }));

  // /dev/full refuses every write with ENOSPC, and cannot be flushed: EINVAL.
  async function full(use: (file: Awaited<ReturnType<Disk['open']>>) => Promise<void>): Promise<void> {
    const file = await disk.open('/dev/full', 'write');
    await use(file);
    await file.close();
  }

  it('calls ENOSPC disk_full, and takes writes again after it', () =>
    full(async (file) => {
      expect(await conditionOf(file.write(0, [bytes(1)]))).to.equal('disk_full');
      expect(await conditionOf(file.writeDurably(0, [bytes(1)]))).to.equal('disk_full');
      expect(await conditionOf(file.writeDurably(0, [new Uint8Array(8 << 20)]))).to.equal('disk_full');
    }));

  it('never tries a failed sync again', () =>
    full(async (file) => {
      expect(await conditionOf(file.writeDurably(0, []))).to.equal('io_error');
      // It would be disk_full if it were tried.
      expect(await conditionOf(file.write(0, [bytes(1)]))).to.equal('io_error');
      expect(await file.read(0, 1)).to.deep.equal(bytes(0));
    }));

  it('says the same when the flush thread fails', () =>
    full(async (file) => {
      // More than is flushed on the caller's thread, into a device that swallows it and cannot be flushed.
      const swallowing = await disk.open('/dev/null', 'write');
      expect(await conditionOf(swallowing.writeDurably(0, [new Uint8Array(8 << 20)]))).to.equal('io_error');
      expect(await conditionOf(swallowing.write(0, [bytes(1)]))).to.equal('io_error');
      await swallowing.close();
      const message = await file.write(0, [bytes(1)]).then(
        () => '',
        (error: Error) => error.message,
      );
      expect(message).to.contain('could not write file "/dev/full": ENOSPC');
    }));
});

describe('real disk: directory lock', () => {
  it('leaves nothing but LOCK behind', () =>
    inDirectory(async (directory) => {
      const lock = await disk.lock(directory);
      expect(await readdir(directory)).to.deep.equal(['LOCK']);
      await lock.release();
      expect(await readdir(directory)).to.deep.equal(['LOCK']);
    }));

  it('keeps another process out, and is freed by kill -9', () =>
    inDirectory(async (directory) => {
      const holder = start(
        directory,
        `await env.disk.lock(directory); console.log('held'); setInterval(() => {}, 1000);`,
      );
      await once(holder.stdout!, 'data');
      expect(await conditionOf(disk.lock(directory))).to.equal('lock_file_exists');
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await (await disk.lock(directory)).release();
    }));
});

describe('threads and the life of a process', () => {
  it('keep it alive while they work, and not when they are done', () =>
    inDirectory(async (directory) => {
      const tasks = new URL('../conformance/tasks.ts', import.meta.url).href;
      const child = start(
        directory,
        `const { waitTask } = await import(${JSON.stringify(tasks)});
         await env.workers.run(waitTask, 1);
         env.workers.run(waitTask, 200).then(() => console.log('finished'));`,
      );
      let printed = '';
      child.stdout!.on('data', (chunk) => {
        printed += chunk;
      });
      await once(child, 'close');
      expect(printed).to.equal('finished\n');
    }));

  it('flush what they were given before it ends', () =>
    inDirectory(async (directory) => {
      const child = start(
        directory,
        `const file = await env.disk.open(directory + '/a', 'create');
         await file.writeDurably(0, [new Uint8Array(5 << 20)]);
         file.writeDurably(0, [new Uint8Array(5 << 20).fill(1)]);`,
      );
      const [code] = await once(child, 'exit');
      expect(code).to.equal(0);
      const file = await disk.open(`${directory}/a`, 'read');
      expect(await file.read((5 << 20) - 1, 2)).to.deep.equal(bytes(1));
      await file.close();
    }));
});

describe('real disk: event loop', () => {
  it('turns while a caller awaits one synchronous operation after another', () =>
    inDirectory(async (directory) => {
      const file = await disk.open(`${directory}/a`, 'create');
      await file.write(0, [new Uint8Array(1 << 18)]);
      let turned = false;
      const immediate = new Promise<void>((resolve) => {
        setImmediate(() => {
          turned = true;
          resolve();
        });
      });
      for (let reads = 0; !turned; reads++) {
        expect(reads).to.be.lessThan(100_000);
        await file.read(0, 1 << 16);
      }
      await immediate;
      await file.close();
    }));
});

describe('native crc32c', () => {
  it('agrees with the portable one at every length around the change-over', () => {
    realEnv();
    const data = Uint8Array.from({ length: 300 }, (_, index) => (index * 31) & 255);
    for (let length = 0; length <= data.length; length++) {
      const part = data.subarray(0, length);
      expect(crc32c(part)).to.equal(crc32cPortable(part));
      expect(crc32c(part, 0x12345678)).to.equal(crc32cPortable(part, 0x12345678));
    }
  });
});
