import { expect } from 'chai';
import fc from 'fast-check';
import { bytes, conditionOf } from '../conformance/harness.ts';
import type { Env } from '../env.ts';
import type { LossModel } from './file_node.ts';
import { SimulatedCrash } from './incarnation.ts';
import { type SimulatedMachine, Simulation } from './simulation.ts';

const path = '/data/a';
const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** Runs until the planned crash, restarts, and gives the machine back. */
async function crashed(machine: SimulatedMachine, task: (env: Env) => Promise<unknown>): Promise<void> {
  try {
    await machine.run(task);
    machine.crash();
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
  }
  machine.restart();
}

function machineOf(seed: number, loss: LossModel | 'any' = 'any'): SimulatedMachine {
  const machine = new Simulation(seed).machine('a');
  machine.disk.loss = loss;
  return machine;
}

/** A durable file [1, 1, 1, 1], then two overlapping writes without sync: [1, 2, 2, 1], [1, 2, 3, 3]. */
async function twoUnsyncedWrites({ disk }: Env): Promise<void> {
  await disk.makeDirectory('/data');
  const file = await disk.open(path, 'create');
  await disk.syncDirectory('/data');
  await file.writeDurably(0, [bytes(1, 1, 1, 1)]);
  await file.write(1, [bytes(2, 2)]);
  await file.write(2, [bytes(3, 3)]);
}

async function survivorsOf(loss: LossModel | 'any', seeds: number): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = 0; seed < seeds; seed++) {
    const machine = machineOf(seed, loss);
    await crashed(machine, twoUnsyncedWrites);
    found.add(machine.disk.contents(path).join(''));
  }
  return found;
}

describe('simulated disk: what a crash keeps of unsynced writes', () => {
  it('nothing', async () => {
    expect([...(await survivorsOf('nothing', 10))]).to.deep.equal(['1111']);
  });

  it('everything', async () => {
    expect([...(await survivorsOf('everything', 10))]).to.deep.equal(['1233']);
  });

  it('a prefix, the last one torn', async () => {
    expect(await survivorsOf('prefix', 200)).to.have.all.keys('1111', '1211', '1221', '1231', '1233');
  });

  it('some of them, so that a later one outlives an earlier one', async () => {
    expect(await survivorsOf('some', 100)).to.have.all.keys('1111', '1221', '1133', '1233');
  });

  it('any pieces, torn at any byte', async () => {
    const found = await survivorsOf('pieces', 600);
    for (const content of ['1121', '1113', '1131', '1213', '1223']) expect(found).to.include(content);
    // Each byte is what it was or what one of the writes made of it.
    for (const content of found) expect(content).to.match(/^1[12][123][13]$/);
  });

  it('never loses what was synced, whatever the loss and wherever the crash', () =>
    fc.assert(
      fc.asyncProperty(
        seed,
        fc.nat(40),
        fc.constantFrom('before', 'during', 'after'),
        async (seed, at, moment) => {
          const machine = machineOf(seed);
          machine.disk.faults.at(at, { kind: 'crash', moment });
          const durable: number[] = [];
          await crashed(machine, async ({ disk }) => {
            await disk.makeDirectory('/data');
            const file = await disk.open(path, 'create');
            await disk.syncDirectory('/data');
            for (let index = 0; index < 20; index++) {
              await file.writeDurably(index, [bytes(index + 1)]);
              durable.push(index + 1);
            }
          });
          if (durable.length === 0) return;
          const kept = machine.disk.contents(path);
          expect(Array.from(kept.subarray(0, durable.length))).to.deep.equal(durable);
          expect(kept.length).to.be.within(durable.length, durable.length + 1);
        },
      ),
      { numRuns: 200 },
    ));

  it('keeps neither locks nor open files', async () => {
    const machine = machineOf(1);
    let file: Awaited<ReturnType<Env['disk']['open']>> | undefined;
    await crashed(machine, async ({ disk }) => {
      await disk.makeDirectory('/data');
      await disk.lock('/data');
      file = await disk.open(path, 'create');
    });
    const answered = file!.size().then(
      () => true,
      () => true,
    );
    const lock = await machine.run(async ({ disk, clock }) => {
      const late = new Promise<boolean>((resolve) => {
        clock.setTimer(60_000, () => resolve(false));
      });
      expect(await Promise.race([answered, late])).to.equal(false);
      return disk.lock('/data');
    });
    expect(lock).to.have.property('release');
  });
});

describe('simulated disk: directories', () => {
  async function createdAndRenamed({ disk }: Env): Promise<void> {
    await disk.makeDirectory('/data');
    for (const name of ['x', 'y']) {
      const file = await disk.open(`/data/${name}`, 'create');
      await file.writeDurably(0, [bytes(name.charCodeAt(0))]);
    }
    await disk.rename('/data/x', '/data/z');
  }

  it('loses each unsynced entry by itself, and a rename as a whole', async () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const machine = machineOf(seed);
      await crashed(machine, createdAndRenamed);
      found.add(machine.disk.files().join(' '));
    }
    expect(found).to.have.all.keys('', '/data/x', '/data/y', '/data/z', '/data/x /data/y', '/data/y /data/z');
  });

  it('keeps every entry once its directory was synced', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const machine = machineOf(seed, 'nothing');
      await crashed(machine, async (env) => {
        await createdAndRenamed(env);
        await env.disk.syncDirectory('/data');
      });
      expect(machine.disk.files()).to.deep.equal(['/data/y', '/data/z']);
    }
  });

  it('keeps no entry by syncing another directory', async () => {
    const machine = machineOf(1, 'nothing');
    await crashed(machine, async (env) => {
      await createdAndRenamed(env);
      await env.disk.makeDirectory('/other');
      await env.disk.syncDirectory('/other');
      await env.disk.syncDirectory('/');
    });
    expect(machine.disk.files()).to.deep.equal([]);
  });

  it('keeps a directory that was made', async () => {
    const machine = machineOf(1, 'nothing');
    await crashed(machine, ({ disk }) => disk.makeDirectory('/data/b/c'));
    expect(await machine.run(({ disk }) => disk.exists('/data/b/c'))).to.equal(true);
  });
});

describe('simulated disk: faults', () => {
  const prepared = async ({ disk }: Env) => {
    await disk.makeDirectory('/data');
    const file = await disk.open(path, 'create');
    await disk.syncDirectory('/data');
    await file.writeDurably(0, [new Uint8Array(64)]);
    return file;
  };

  it('fails a sync for good, and keeps or drops what it covered', async () => {
    const afterFailure = new Set<string>();
    const afterCrash = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const machine = machineOf(seed, 'everything');
      await machine.run(async (env) => {
        const file = await prepared(env);
        const boundary = machine.disk.boundaries;
        machine.disk.faults.at(boundary, { kind: 'fail', operation: 'sync', errno: 'ENOSPC' });
        expect(await conditionOf(file.writeDurably(0, [bytes(7)]))).to.equal('io_error');
        expect(await conditionOf(file.sync())).to.equal('io_error');
        expect(await conditionOf(file.write(0, [bytes(8)]))).to.equal('io_error');
        expect(machine.disk.boundaries).to.equal(boundary + 2);
        afterFailure.add(String((await file.read(0, 1))[0]));
        const again = await env.disk.open(path, 'write');
        await again.sync();
      });
      machine.restart();
      afterCrash.add(String(machine.disk.contents(path)[0]));
    }
    expect(afterFailure).to.have.all.keys('0', '7');
    expect(afterCrash).to.have.all.keys('0', '7');
  });

  it('fills up, serves reads, and takes writes when there is room', async () => {
    const machine = machineOf(1);
    await machine.run(async (env) => {
      const file = await prepared(env);
      machine.disk.capacityBytes = 70;
      expect(await env.disk.freeBytes('/data')).to.equal(6);
      await file.writeDurably(0, [new Uint8Array(64).fill(1)]);
      expect(await conditionOf(file.writeDurably(64, [new Uint8Array(7)]))).to.equal('disk_full');
      expect(await file.read(0, 1)).to.deep.equal(bytes(1));
      machine.disk.capacityBytes = 80;
      await file.writeDurably(64, [new Uint8Array(7).fill(2)]);
      expect(await file.size()).to.equal(71);
    });
  });

  it('refuses the operation that is planned to fail, once, and no other', async () => {
    const machine = machineOf(1);
    await machine.run(async (env) => {
      const file = await prepared(env);
      machine.disk.faults.at(0, { kind: 'fail', operation: 'read', errno: 'EIO' });
      await file.writeDurably(0, [bytes(1)]);
      expect(await conditionOf(file.read(0, 1))).to.equal('io_error');
      expect(await file.read(0, 1)).to.deep.equal(bytes(1));
      machine.disk.faults.at(machine.disk.boundaries + 1, {
        kind: 'fail',
        operation: 'write',
        errno: 'EDQUOT',
      });
      await file.write(0, [bytes(2)]);
      expect(await conditionOf(file.write(0, [bytes(3)]))).to.equal('disk_full');
    });
  });

  it('slows an operation down in virtual time', async () => {
    const simulation = new Simulation(1);
    const machine = simulation.machine('a');
    await machine.run(async (env) => {
      const file = await prepared(env);
      machine.disk.faults.at(machine.disk.boundaries, { kind: 'slow', delayMs: 5000 });
      const start = env.clock.monotonicMs();
      await file.writeDurably(0, [bytes(1)]);
      expect(env.clock.monotonicMs() - start).to.be.within(5000, 5001);
    });
  });

  it('misdirects a write: answered, absent where it belongs, damaging what was elsewhere', async () => {
    const damaged = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const machine = machineOf(seed);
      await machine.run(async (env) => {
        const file = await prepared(env);
        const other = await env.disk.open('/data/b', 'create');
        await other.writeDurably(0, [new Uint8Array(64)]);
        machine.disk.faults.at(machine.disk.boundaries, { kind: 'misdirect' });
        await file.writeDurably(64, [bytes(9)]);
        expect(await file.size()).to.equal(64);
      });
      for (const name of machine.disk.files()) {
        if (machine.disk.contents(name).includes(9)) damaged.add(name);
      }
    }
    expect(damaged).to.have.all.keys(path, '/data/b');
  });

  it('flips one bit, which outlives a crash', async () => {
    const machine = machineOf(1);
    await machine.run(prepared);
    machine.disk.flipBit(path, 8 * 5 + 3);
    machine.restart();
    const content = machine.disk.contents(path);
    expect(content[5]).to.equal(8);
    expect(content.filter((byte) => byte !== 0)).to.have.length(1);
  });

  it('crashes before, in the middle of, or after an operation, and answers it never', async () => {
    const sizes = { before: new Set<number>(), during: new Set<number>(), after: new Set<number>() };
    for (const moment of ['before', 'during', 'after'] as const) {
      for (let seed = 0; seed < 60; seed++) {
        const machine = machineOf(seed, 'everything');
        await machine.run(prepared);
        machine.disk.faults.at(machine.disk.boundaries, { kind: 'crash', moment });
        let answered = false;
        await crashed(machine, async ({ disk }) => {
          const file = await disk.open(path, 'write');
          await file.write(64, [bytes(1, 2)]);
          answered = true;
        });
        expect(answered).to.equal(false);
        sizes[moment].add(machine.disk.contents(path).length);
      }
    }
    expect([...sizes.before]).to.deep.equal([64]);
    expect([...sizes.during].sort()).to.deep.equal([64, 65, 66]);
    expect([...sizes.after]).to.deep.equal([66]);
  });

  it('plans nothing any more once cleared', async () => {
    const machine = machineOf(1);
    machine.disk.faults.at(0, { kind: 'crash', moment: 'before' });
    machine.disk.faults.clear();
    await machine.run(prepared);
    expect(machine.alive).to.equal(true);
  });
});
