import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { bytes, conditionOf } from '../conformance/harness.ts';
import type { Connection, Env } from '../env.ts';
import { SimulatedCrash } from './incarnation.ts';
import { SimulationStuck } from './scheduler.ts';
import { Simulation } from './simulation.ts';

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return null;
}

/** Uses everything that an Env has. */
async function workload({ clock, random, disk, network, workers }: Env): Promise<void> {
  await disk.makeDirectory('/data');
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
    connection.handle({
      onData: (received) => connection.write(received),
      onDrain: () => {},
      onClose: () => {},
    });
  });
  const connection = await network.connect(listener.address);
  const echoed = new Promise<void>((resolve) => {
    connection.handle({ onData: () => resolve(), onDrain: () => {}, onClose: () => {} });
  });
  connection.write(random.bytes(100));
  await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const file = await disk.open(`/data/${index}`, 'create');
      await file.writeDurably(0, [random.bytes(1 + (random.uint32() & 63))]);
      await new Promise<void>((resolve) => {
        clock.setTimer(random.uint32() & 7, resolve);
      });
    }),
  );
  await workers.run({ module: import.meta.url, name: 'sum', run: async () => 1 }, null);
  await echoed;
}

async function traceOf(seed: number): Promise<readonly [number, readonly string[]]> {
  const simulation = new Simulation(seed);
  const lines: string[] = [];
  simulation.scheduler.onTrace((line) => lines.push(line));
  const machine = simulation.machine('a');
  await machine.run(workload);
  machine.restart();
  return [simulation.traceHash, lines];
}

describe('simulation', () => {
  it('runs the same from the same seed, and differently from another', async () => {
    const [hash, lines] = await traceOf(7);
    expect(await traceOf(7)).to.deep.equal([hash, lines]);
    expect(lines.length).to.be.greaterThan(30);
    const hashes = await Promise.all([1, 2, 3, 4].map(async (seed) => (await traceOf(seed))[0]));
    expect(new Set([...hashes, hash]).size).to.equal(5);
  });

  it('knows when a task waits for something real', async () => {
    const machine = new Simulation(1).machine('a');
    const error = await thrownBy(machine.run(() => readFile(new URL(import.meta.url))));
    expect(error).to.be.instanceOf(SimulationStuck);
    expect((error as Error).message).to.contain('a real promise');
  });

  it('knows when a task waits for itself', async () => {
    const machine = new Simulation(1).machine('a');
    expect(await thrownBy(machine.run(() => new Promise(() => {})))).to.be.instanceOf(SimulationStuck);
  });

  it('ends a run that does not end', async () => {
    const machine = new Simulation(1).machine('a');
    const forever = machine.run(({ clock }) => {
      const tick = () => {
        clock.setTimer(1, tick);
      };
      tick();
      return new Promise(() => {});
    }, 1000);
    const error = await thrownBy(forever);
    expect(error).to.be.instanceOf(SimulationStuck);
    expect((error as Error).message).to.contain('1000 events');
  });

  it('hands out what the task throws', async () => {
    const machine = new Simulation(1).machine('a');
    const thrown = new Error('of the task');
    expect(await thrownBy(machine.run(() => Promise.reject(thrown)))).to.equal(thrown);
  });

  it('lets what is due at one time happen in the order of asking', async () => {
    const machine = new Simulation(1).machine('a');
    const fired: number[] = [];
    await machine.run(async ({ clock }) => {
      for (let index = 0; index < 20; index++) clock.setTimer(5, () => fired.push(index));
      await new Promise<void>((resolve) => {
        clock.setTimer(5, resolve);
      });
    });
    expect(fired).to.deep.equal(Array.from({ length: 20 }, (_, index) => index));
  });

  it('ends the timers and tasks of a machine with its life, and those of others go on', async () => {
    const simulation = new Simulation(1);
    const [left, right] = [simulation.machine('left'), simulation.machine('right')];
    const fired: string[] = [];
    for (const machine of [left, right]) machine.env.clock.setTimer(100, () => fired.push(machine.name));
    const task = thrownBy(left.start(() => new Promise(() => {})));
    await simulation.run(async () => {
      await simulation.sleep(50);
      left.crash();
      expect(await task).to.be.instanceOf(SimulatedCrash);
      left.restart();
      await simulation.sleep(100);
    });
    expect(fired).to.deep.equal(['right']);
  });

  it('lets clocks jump and drift, each machine its own', async () => {
    const simulation = new Simulation(1);
    const [left, right] = [simulation.machine('left'), simulation.machine('right')];
    const [start, other] = [left.env.clock.wallMs(), right.env.clock.wallMs()];
    left.clock.jump(-5000);
    right.clock.drift(1.5);
    await simulation.run(() => simulation.sleep(1000));
    expect(left.env.clock.wallMs() - start).to.equal(-4000);
    expect(left.env.clock.monotonicMs()).to.equal(1000);
    expect(right.env.clock.wallMs() - other).to.equal(1500);
    let firedAtMs = 0;
    right.env.clock.setTimer(300, () => {
      firedAtMs = simulation.scheduler.nowMs;
    });
    await simulation.run(() => simulation.sleep(1000));
    expect(firedAtMs).to.be.closeTo(1200, 1e-6);
  });
});

describe('simulated network', () => {
  /** A connection from `left` to `right`, and what arrives there and when. */
  async function wired(seed: number) {
    const simulation = new Simulation(seed);
    const [left, right] = [simulation.machine('left'), simulation.machine('right')];
    const arrived: number[] = [];
    const closed: (Error | null)[] = [];
    const handlers = (closes: (error: Error | null) => void) => ({
      onData: (received: Uint8Array) => {
        arrived.push(...received);
      },
      onDrain: () => {},
      onClose: closes,
    });
    const serve = (env: Env) =>
      env.network.listen({ host: '0.0.0.0', port: 9 }, (connection) => connection.handle(handlers(() => {})));
    const connect = async (): Promise<Connection> => {
      const connection = await left.env.network.connect({ host: 'right', port: 9 });
      connection.handle(handlers((error) => closed.push(error)));
      return connection;
    };
    await simulation.run(() => serve(right.env));
    return { simulation, left, right, arrived, closed, serve, connect };
  }

  it('delivers through losses, later and in order', async () => {
    const { simulation, arrived, connect } = await wired(3);
    simulation.network.lossProbability = 0.5;
    await simulation.run(async () => {
      const connection = await connect();
      for (let value = 0; value < 20; value++) {
        connection.write(bytes(value));
        await simulation.sleep(50);
      }
      await simulation.sleep(5000);
    });
    expect(arrived).to.deep.equal(Array.from({ length: 20 }, (_, index) => index));
    expect(simulation.scheduler.nowMs).to.be.greaterThan(6000);
  });

  it('holds back what a partition divides and delivers it when healed', async () => {
    const { simulation, arrived, connect } = await wired(4);
    await simulation.run(async () => {
      const connection = await connect();
      simulation.network.partition(['left'], ['right']);
      connection.write(bytes(1));
      await simulation.sleep(2000);
      expect(arrived).to.deep.equal([]);
      simulation.network.heal();
      await simulation.sleep(1000);
      expect(arrived).to.deep.equal([1]);
    });
  });

  it('times out a connection that stays divided, and a new one too', async () => {
    const { simulation, closed, connect } = await wired(5);
    await simulation.run(async () => {
      const connection = await connect();
      simulation.network.block('left', 'right');
      connection.write(bytes(1));
      expect(await conditionOf(connect())).to.equal('connection_failure');
      await simulation.sleep(20_000);
      expect(closed.map((error) => error?.message)).to.deep.equal(['ETIMEDOUT']);
    });
  });

  it('blocks one way alone', async () => {
    const { simulation, left, right, arrived, connect } = await wired(6);
    await simulation.run(async () => {
      const connection = await connect();
      const fromRight: number[] = [];
      await left.env.network.listen({ host: '0.0.0.0', port: 8 }, (accepted) =>
        accepted.handle({
          onData: (received) => fromRight.push(...received),
          onDrain: () => {},
          onClose: () => {},
        }),
      );
      const back = await right.env.network.connect({ host: 'left', port: 8 });
      simulation.network.block('left', 'right');
      connection.write(bytes(1));
      back.write(bytes(2));
      await simulation.sleep(100);
      expect([arrived, fromRight]).to.deep.equal([[], [2]]);
      simulation.network.unblock('left', 'right');
      await simulation.sleep(1000);
      expect(arrived).to.deep.equal([1]);
    });
  });

  it('delays one way alone, loses on one way alone, until it is eased', async () => {
    const { simulation, arrived, connect } = await wired(9);
    await simulation.run(async () => {
      const connection = await connect();
      simulation.network.worsen('left', 'right', { delayMs: { min: 300, max: 400 }, lossProbability: 0 });
      connection.write(bytes(1));
      await simulation.sleep(290);
      expect(arrived).to.deep.equal([]);
      await simulation.sleep(200);
      expect(arrived).to.deep.equal([1]);
      simulation.network.worsen('left', 'right', { delayMs: { min: 0, max: 0 }, lossProbability: 1 });
      connection.write(bytes(2));
      await simulation.sleep(3000);
      expect(arrived).to.deep.equal([1]);
      simulation.network.ease('left', 'right');
      await simulation.sleep(300);
      expect(arrived).to.deep.equal([1, 2]);
    });
  });

  it('resets the connections between two machines, for both', async () => {
    const { simulation, closed, connect } = await wired(10);
    await simulation.run(async () => {
      await connect();
      simulation.network.breakConnections('right', 'another');
      await simulation.sleep(10);
      expect(closed).to.deep.equal([]);
      simulation.network.breakConnections('right', 'left');
      await simulation.sleep(10);
      expect(closed.map((error) => error?.message)).to.deep.equal(['ECONNRESET']);
    });
  });

  it('says nothing for a crashed machine, and resets its connections when it is back', async () => {
    const { simulation, right, arrived, closed, serve, connect } = await wired(8);
    await simulation.run(async () => {
      const connection = await connect();
      right.crash();
      connection.write(bytes(1));
      await simulation.sleep(2000);
      expect(closed).to.have.length(0);
      right.restart();
      await simulation.sleep(1000);
      expect(closed).to.have.length(1);
      expect(await conditionOf(connect())).to.equal('connection_failure');
      await serve(right.env);
      (await connect()).write(bytes(2));
      await simulation.sleep(10);
      expect(arrived).to.deep.equal([2]);
    });
  });
});

describe('simulated machine', () => {
  it('runs nothing while it is paused, and what was due happens late and in order', async () => {
    const simulation = new Simulation(1);
    const [left, right] = [simulation.machine('left'), simulation.machine('right')];
    const happened: string[] = [];
    await simulation.run(async () => {
      await right.env.network.listen({ host: '0.0.0.0', port: 9 }, (connection) => {
        happened.push('accepted');
        connection.handle({
          onData: (received) => happened.push(`received ${received}`),
          onDrain: () => {},
          onClose: () => {},
        });
      });
      await right.env.disk.makeDirectory('/data');
      right.env.clock.setTimer(20, () => happened.push('second timer'));
      right.env.clock.setTimer(10, () => happened.push('first timer'));
      const cancelled = right.env.clock.setTimer(15, () => happened.push('cancelled timer'));
      void right.env.disk.exists('/data').then(() => happened.push('answered by the disk'));
      right.pause();
      expect(right.paused).to.equal(true);
      // Its kernel takes the connection and the bytes.
      (await left.env.network.connect({ host: 'right', port: 9 })).write(bytes(7));
      await simulation.sleep(100);
      cancelled.cancel();
      expect(happened).to.deep.equal([]);
      right.resume();
      await simulation.sleep(0);
      expect(happened).to.have.members([
        'accepted',
        'received 7',
        'answered by the disk',
        'first timer',
        'second timer',
      ]);
      expect(happened.indexOf('first timer')).to.be.lessThan(happened.indexOf('second timer'));
      expect(happened.indexOf('accepted')).to.be.lessThan(happened.indexOf('received 7'));
    });
  });

  it('hears after a pause, in some runs, what came before what has run out: from each machine in order', async () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const simulation = new Simulation(seed);
      const [left, middle, right] = ['left', 'middle', 'right'].map((name) => simulation.machine(name));
      const happened: string[] = [];
      await simulation.run(async () => {
        right!.env.clock.setTimer(1, () => happened.push('timer'));
        right!.pause();
        await simulation.sleep(5);
        for (const what of ['left 1', 'left 2']) left!.tell(right!, () => happened.push(what));
        await simulation.sleep(5);
        middle!.tell(right!, () => happened.push('middle'));
        await simulation.sleep(5);
        right!.resume();
        await simulation.sleep(0);
      });
      orders.add(happened.join(', '));
    }
    expect([...orders].sort()).to.deep.equal([
      'left 1, left 2, middle, timer',
      'middle, left 1, left 2, timer',
      'timer, left 1, left 2, middle',
    ]);
  });

  it('never runs again what was held back when it crashes', async () => {
    const simulation = new Simulation(1);
    const machine = simulation.machine('a');
    let isFired = false;
    machine.env.clock.setTimer(1, () => {
      isFired = true;
    });
    await simulation.run(async () => {
      machine.pause();
      await simulation.sleep(10);
      machine.restart();
      await simulation.sleep(10);
    });
    expect([isFired, machine.paused]).to.deep.equal([false, false]);
  });

  it('answers another machine, and never once its life has ended', async () => {
    const simulation = new Simulation(1);
    const [left, right] = [simulation.machine('left'), simulation.machine('right')];
    await simulation.run(async () => {
      expect(await left.ask(right, async ({ clock }) => clock.monotonicMs())).to.be.greaterThan(0);
      expect(await thrownBy(left.ask(right, () => Promise.reject(new Error('no'))))).to.be.an('error');
      let isAnswered = false;
      void left
        .ask(right, () => simulation.sleep(10))
        .finally(() => {
          isAnswered = true;
        });
      await simulation.sleep(5);
      right.restart();
      await simulation.sleep(1000);
      expect(isAnswered).to.equal(false);
    });
  });

  it('has nothing of what it had once its disk is replaced', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async ({ disk }) => {
      await disk.makeDirectory('/data');
      await (await disk.open('/data/file', 'create')).writeDurably(0, [bytes(1)]);
      await disk.syncDirectory('/data');
    });
    machine.crash();
    machine.disk.replace();
    machine.restart();
    await machine.run(async ({ disk }) => expect(await disk.exists('/data')).to.equal(false));
  });

  it('takes rare branches in some runs only, and none before it is asked to', () => {
    const takenIn = (seed: number, probability: number) => {
      const simulation = new Simulation(seed);
      const { rarely } = simulation.machine('a').env;
      simulation.rareBranches.probability = probability;
      for (let count = 0; count < 100; count++) rarely('a branch');
      return simulation.rareBranches.taken.get('a branch') ?? 0;
    };
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    expect(seeds.every((seed) => takenIn(seed, 0) === 0)).to.equal(true);
    const taken = seeds.map((seed) => takenIn(seed, 0.5)).filter((count) => count > 0);
    expect(taken.length).to.be.within(1, 30);
    expect(Math.max(...taken)).to.be.lessThan(100);
  });
});
