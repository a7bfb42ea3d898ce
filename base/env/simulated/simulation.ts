/**
 * A world in one process: machines on a virtual clock, each with a disk that fails as disks do, wires between
 * them that fail as networks do, and everything that happens drawn from one seed. The same seed and the same
 * code give the same run, event by event (`traceHash`); a failing seed is a debugger's breakpoint.
 *
 *     const simulation = new Simulation(seed);
 *     const machine = simulation.machine('a');
 *     machine.disk.faults.at(17, { kind: 'crash', moment: 'during' });
 *     try {
 *       await machine.run((env) => workload(env));      // rejects with SimulatedCrash at the 18th I/O
 *     } catch (error) {
 *       if (!(error instanceof SimulatedCrash)) throw error;
 *     }
 *     machine.restart();                                // a new Env on the bytes that survived
 *     await machine.run((env) => recoverAndCheck(env));
 *
 * Read `scheduler` for time, `file_node` and `tree` for what a crash keeps, `faults` for what can be planned,
 * `network` and `endpoint` for the wires. Nothing here may await anything real, and nothing that runs in a
 * simulation may: the scheduler lets every ready promise continue, and then, when no event is left, it knows
 * that the rest waits for something outside (`SimulationStuck`).
 */
import type { Env } from '../env.ts';
import { SimulatedClock } from './clock.ts';
import { SimulatedDisk } from './disk.ts';
import { Incarnation } from './incarnation.ts';
import { MountedDisk } from './mounted_disk.ts';
import { SimulatedNetwork } from './network.ts';
import { SeededRandom } from './random.ts';
import { RareBranches } from './rare_branches.ts';
import { Scheduler } from './scheduler.ts';
import { simulatedWorkers } from './workers.ts';

export class Simulation {
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly rareBranches: RareBranches;
  readonly #machines = new Map<string, SimulatedMachine>();

  constructor(seed: number) {
    this.scheduler = new Scheduler(seed);
    this.network = new SimulatedNetwork(this.scheduler);
    this.rareBranches = new RareBranches(new SeededRandom(~seed));
  }

  get traceHash(): number {
    return this.scheduler.traceHash;
  }

  /** The machine of that name, built with its first mention. */
  machine(name: string): SimulatedMachine {
    const machine = this.#machines.get(name) ?? new SimulatedMachine(name, this);
    this.#machines.set(name, machine);
    return machine;
  }

  /** Lets time pass until a task ends that stands outside of all machines, and so survives their crashes. */
  run<Output>(task: () => Promise<Output>, eventsMax?: number): Promise<Output> {
    return this.scheduler.run(task(), eventsMax);
  }

  /** For such a task: waits in virtual time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.scheduler.schedule(delayMs, resolve);
    });
  }
}

function neverMind(): void {}

/** Invariant: of a machine's lives only the newest may be alive. */
export class SimulatedMachine {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  readonly #simulation: Simulation;
  readonly #random: SeededRandom;
  #life: Incarnation;
  #env: Env;

  constructor(name: string, simulation: Simulation) {
    const { scheduler } = simulation;
    this.name = name;
    this.#simulation = simulation;
    this.disk = new SimulatedDisk(new SeededRandom(scheduler.random.uint32()));
    this.clock = new SimulatedClock(scheduler);
    this.#random = new SeededRandom(scheduler.random.uint32());
    this.#life = this.#begin();
    this.#env = this.#mount();
  }

  /** Of the present life. */
  get env(): Env {
    return this.#env;
  }

  get alive(): boolean {
    return this.#life.alive;
  }

  /** Power off, now: no operation of this life is ever answered again. */
  crash(): void {
    this.#life.crash();
  }

  /** As SIGSTOP and SIGCONT do: nothing of it runs, and what was due meanwhile happens late. */
  pause(): void {
    this.#life.pause();
  }

  resume(): void {
    this.#life.resume();
  }

  get paused(): boolean {
    return this.#life.paused;
  }

  /** Power on (off first): a new Env on the bytes that survived. */
  restart(): Env {
    this.crash();
    this.#life = this.#begin();
    this.#env = this.#mount();
    return this.#env;
  }

  /** A task of the present life; rejects with SimulatedCrash when that ends first. `Simulation.run` makes it go. */
  start<Output>(task: (env: Env) => Promise<Output>): Promise<Output> {
    return Promise.race([task(this.#env), this.#life.crashed]);
  }

  /** The same, and lets time pass until it ends. */
  run<Output>(task: (env: Env) => Promise<Output>, eventsMax?: number): Promise<Output> {
    return this.#simulation.scheduler.run(this.start(task), eventsMax);
  }

  /**
   * Asks another machine over the network: `task` runs there, in the life that it has when the question arrives. What
   * is lost on the way for good, or with a life, is never answered.
   */
  ask<Output>(target: SimulatedMachine, task: (env: Env) => Promise<Output>): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    const { network } = this.#simulation;
    const asker = this.#life;
    const answer = (life: Incarnation, settle: () => void) => {
      if (life.alive) network.carry(life, this.name, () => asker.whenRunning(settle, target.name), neverMind);
    };
    const arrive = () => {
      const life = target.#life;
      life.whenRunning(() => {
        task(target.#env).then(
          (output) => answer(life, () => resolve(output)),
          (error: unknown) => answer(life, () => reject(error)),
        );
      }, this.name);
    };
    network.carry(asker, target.name, arrive, neverMind);
    return promise;
  }

  /**
   * Tells another machine, by a message that may be lost: `receive` runs there, in the life that it has then. False: it is
   * not to be reached.
   */
  tell(target: SimulatedMachine, receive: () => void): boolean {
    return this.#simulation.network.tell(this.#life, target.name, () =>
      target.#life.whenRunning(receive, this.name),
    );
  }

  #begin(): Incarnation {
    const { scheduler } = this.#simulation;
    return new Incarnation(this.name, scheduler, () => {
      scheduler.trace(`${this.name} crashed`);
      this.disk.crash();
    });
  }

  #mount(): Env {
    const life = this.#life;
    const env: Env = {
      clock: this.clock.mount(life),
      random: this.#random,
      disk: new MountedDisk(this.disk, life),
      network: this.#simulation.network.mount(life),
      workers: simulatedWorkers(life, () => env),
      rarely: (branch) => this.#simulation.rareBranches.take(branch),
    };
    return env;
  }
}
