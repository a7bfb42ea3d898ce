import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import { Engine, type EngineLimits } from '../../api/database/engine.ts';
import type { Env } from '../../base/env/env.ts';
import { lossModels } from '../../base/env/simulated/file_node.ts';
import { SimulatedCrash } from '../../base/env/simulated/incarnation.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import { checkQuiescent, checkRecovered } from './check.ts';
import { fileKind } from './file-kind.ts';
import { buildIndexes } from './index-builds.ts';
import { Model } from './model.ts';
import { initialState, schemaScript } from './schema.ts';
import { runSession } from './workload.ts';

/** What happens to the machine in one life, besides how it ends. */
const troubles = ['none', 'none', 'full disk', 'failed sync', 'slow disk'] as const;
export type Trouble = (typeof troubles)[number];

/** How a life ends. */
type Ending = 'crash at an I/O' | 'crash at any time' | 'close';

export type CrashPoint = {
  /** '3.127': the life of the machine, and the number of the I/O in the whole run. */
  readonly boundary: string;
  readonly operation: string;
  readonly moment: string;
  readonly isInRecovery: boolean;
  /** What large transactions had in files that no manifest named, or were about to have. */
  readonly runs: readonly RunState[];
};

export type RunState =
  | 'being written'
  | 'written'
  | 'committed, not named'
  | 'being written again, in recovery';

export type SeedReport = {
  readonly seed: number;
  readonly traceHash: number;
  readonly crashes: readonly CrashPoint[];
  readonly troubles: readonly Trouble[];
  readonly boundaries: number;
  readonly simulatedMs: number;
  readonly acknowledged: number;
};

/** A seed that shows a defect: why, and the last things that happened. */
export class SeedFailure extends Error {
  override readonly name = 'SeedFailure';
  readonly seed: number;

  constructor(seed: number, cause: unknown, timeline: readonly string[]) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(
      `seed ${seed}: ${reason}\n\n${timeline.join('\n')}\n\nreplay: npm run sim -- --seeds 1 --seed ${seed}`,
      {
        cause,
      },
    );
    this.seed = seed;
  }
}

const timelineLinesDefault = 60;
const path = '/db';

/** Runs one seed: a few lives of one machine, each with sessions, troubles and an end, and after each the checks. */
export async function runSeed(seed: number, timelineLines = timelineLinesDefault): Promise<SeedReport> {
  const run = new SeedRun(seed, timelineLines);
  try {
    return await run.run();
  } catch (error) {
    throw new SeedFailure(seed, error, run.timeline);
  }
}

class SeedRun {
  readonly timeline: string[] = [];
  readonly #seed: number;
  readonly #timelineLines: number;
  readonly #random: SeededRandom;
  readonly #simulation: Simulation;
  readonly #machine: SimulatedMachine;
  readonly #limits: EngineLimits;
  readonly #model = new Model(initialState());
  readonly #crashes: CrashPoint[] = [];
  readonly #troubles: Trouble[] = [];
  #trouble: Trouble = 'none';
  #life = 0;
  /** Null until the database is open. */
  #rows: Rows | null = null;
  #isRecovering = false;
  #moment: 'before' | 'during' | 'after' = 'before';

  constructor(seed: number, timelineLines: number) {
    this.#seed = seed;
    this.#timelineLines = timelineLines;
    this.#random = new SeededRandom(seed ^ 0x5eed);
    this.#simulation = new Simulation(seed);
    this.#machine = this.#simulation.machine('a');
    this.#limits = smallLimits(this.#random);
    this.#simulation.scheduler.onTrace((line) => this.#onTrace(line));
  }

  #onTrace(line: string): void {
    if (this.timeline.push(line.slice(0, 160)) > this.#timelineLines) this.timeline.shift();
    const crash = /^\S+ a (\d+) (\S+) (\S+).* crash$/.exec(line);
    if (crash === null) return;
    this.#crashes.push({
      boundary: `${this.#life}.${crash[1]}`,
      operation: `${crash[2]} ${fileKind(crash[3]!)}`,
      moment: this.#moment,
      isInRecovery: this.#isRecovering,
      runs: this.#runStates(crash[2]!, crash[3]!),
    });
  }

  #runStates(operation: string, path: string): readonly RunState[] {
    if (this.#rows === null) {
      // A database that is being opened writes no other SSTable.
      const isWritten = fileKind(path) === 'sstable' && operation !== 'remove';
      return isWritten ? ['being written again, in recovery'] : [];
    }
    const { isWriting, undecided, committed } = this.#rows.unnamedFiles;
    const states: readonly (readonly [RunState, boolean])[] = [
      ['being written', isWriting],
      ['written', undecided > 0],
      ['committed, not named', committed > 0],
    ];
    return states.flatMap(([state, isReached]) => (isReached ? state : []));
  }

  #note(happening: string): void {
    this.#onTrace(`${this.#simulation.scheduler.nowMs.toFixed(4)} -- ${happening}`);
  }

  async run(): Promise<SeedReport> {
    const lives = 1 + this.#random.below(3);
    for (this.#life = 1; this.#life <= lives; this.#life++) await this.#live();
    await this.#recoverAndCheck();
    return {
      seed: this.#seed,
      traceHash: this.#simulation.traceHash,
      crashes: this.#crashes,
      troubles: this.#troubles,
      boundaries: this.#machine.disk.boundaries,
      simulatedMs: this.#simulation.scheduler.nowMs,
      acknowledged: this.#model.acknowledgedCount,
    };
  }

  // ---- one life

  async #live(): Promise<void> {
    const ending: Ending = this.#random.pick([
      'crash at an I/O',
      'crash at an I/O',
      'crash at an I/O',
      'crash at any time',
      'close',
    ]);
    const isFirst = this.#life === 1;
    if (!isFirst) await this.#recoverAndCheck();
    this.#trouble = this.#random.pick(troubles);
    this.#troubles.push(this.#trouble);
    this.#note(`life ${this.#life}: ${this.#trouble}, then ${ending}`);
    await this.#untilCrash(async (env) => {
      const engine = await this.#open(env);
      const database = new EmbeddedDatabase(engine);
      if (isFirst) await database.query(schemaScript);
      if (ending === 'crash at an I/O') this.#planCrash(90);
      if (ending === 'crash at any time') {
        env.clock.setTimer(this.#random.between(0, 30), () => this.#machine.crash());
      }
      await this.#rounds(env, database);
      this.#machine.disk.faults.clear();
      this.#machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
      if (ending === 'close') await database.close();
    });
  }

  #planCrash(boundariesMax: number): void {
    const { disk } = this.#machine;
    this.#moment = this.#random.pick(['before', 'during', 'after']);
    disk.loss = this.#random.pick([...lossModels, 'any']);
    disk.faults.at(disk.boundaries + this.#random.below(boundariesMax), {
      kind: 'crash',
      moment: this.#moment,
    });
  }

  /** Runs on the present life until it ends, and powers the machine on again. */
  async #untilCrash(task: (env: Env) => Promise<void>): Promise<boolean> {
    const { disk } = this.#machine;
    let isCrashed = false;
    try {
      await this.#machine.run(task);
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      isCrashed = true;
    }
    disk.faults.clear();
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    disk.latencyMs = { min: 0.02, max: 0.2 };
    this.#machine.restart();
    return isCrashed;
  }

  async #rounds(env: Env, database: EmbeddedDatabase): Promise<void> {
    const rounds = 1 + this.#random.below(3);
    for (let round = 0; round < rounds; round++) {
      if (round === 0) this.#beginTrouble();
      await this.#round(env, database);
      if (this.#trouble === 'full disk') {
        await this.#settleLog(database);
        this.#machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
        this.#note('there is room again');
        await this.#settled(database);
        await checkQuiescent(database, this.#model);
        this.#trouble = 'none';
      } else if (this.#trouble !== 'failed sync') {
        await checkQuiescent(database, this.#model);
      }
    }
  }

  /** An aborted transaction's marker, which nobody waits for, may be refused only now. */
  async #settled({ engine }: EmbeddedDatabase): Promise<void> {
    try {
      await engine.log.committed(engine.log.endOffset);
    } catch (error) {
      if (!(error instanceof AlopexError && this.#expects(error))) throw error;
    }
  }

  /** What nobody waits for, an abort marker or a sequence's bound, may still be on its way to being refused. */
  async #settleLog({ engine: { log } }: EmbeddedDatabase): Promise<void> {
    try {
      await log.committed(log.endOffset);
    } catch (error) {
      if (!(error instanceof AlopexError && this.#expects(error))) throw error;
    }
  }

  #beginTrouble(): void {
    const { disk } = this.#machine;
    switch (this.#trouble) {
      case 'none':
        return;
      case 'full disk':
        disk.capacityBytes = disk.usedBytes + this.#random.below(90_000);
        return;
      case 'slow disk':
        disk.latencyMs = { min: 1, max: 40 };
        return;
      case 'failed sync':
        disk.faults.at(disk.boundaries + this.#random.below(60), {
          kind: 'fail',
          operation: 'sync',
          errno: 'EIO',
        });
    }
  }

  /** Several clients at once, with checkpoints and compactions beside them. */
  async #round(env: Env, database: EmbeddedDatabase): Promise<void> {
    const sessions = 1 + this.#random.below(4);
    const pause = (delayMs: number) =>
      new Promise<void>((resolve) => void env.clock.setTimer(delayMs, resolve));
    const clients = Array.from({ length: sessions }, () =>
      runSession({
        database,
        model: this.#model,
        random: new SeededRandom(this.#random.uint32()),
        transactions: 2 + this.#random.below(6),
        pause,
        expects: (error) => this.#expects(error),
        note: (happening) => this.#note(happening),
      }),
    );
    const builder = buildIndexes({
      database,
      random: new SeededRandom(this.#random.uint32()),
      pause,
      expects: (error) => this.#expects(error),
      note: (happening) => this.#note(happening),
    });
    await Promise.all([...clients, builder, this.#maintain(database, pause)]);
  }

  async #maintain(database: EmbeddedDatabase, pause: (delayMs: number) => Promise<void>): Promise<void> {
    const { engine } = database;
    for (let left = this.#random.below(3); left > 0; left--) {
      await pause(this.#random.between(0, 8));
      try {
        await (this.#random.chance(0.4) ? engine.compact() : engine.checkpoint());
        this.#note('a snapshot is made');
      } catch (error) {
        if (!(error instanceof AlopexError && this.#expects(error))) throw error;
      }
    }
  }

  #expects({ condition }: AlopexError): boolean {
    if (this.#trouble === 'full disk') return condition === 'disk_full';
    if (this.#trouble !== 'failed sync') return false;
    return condition === 'statement_completion_unknown' || condition === 'io_error';
  }

  async #open(env: Env): Promise<Engine> {
    this.#rows = null;
    const engine = await Engine.open({
      env,
      path,
      cacheBytes: 256 * 1024,
      connectionsMax: 100,
      settings: {},
      limits: this.#limits,
      onProblem: (problem) => {
        this.#note(`problem: ${problem.condition}: ${problem.message}`);
        if (!this.#expects(problem)) throw problem;
      },
    });
    this.#rows = engine.rows;
    return engine;
  }

  // ---- what is left

  /** Opens what is left, with crashes meanwhile in some runs, and compares. */
  async #recoverAndCheck(): Promise<void> {
    this.#trouble = 'none';
    this.#isRecovering = true;
    for (let crashes = this.#random.chance(0.4) ? 1 + this.#random.below(3) : 0; crashes > 0; crashes--) {
      this.#planCrash(25);
      const isCrashed = await this.#untilCrash(async (env) => {
        const engine = await this.#open(env);
        await engine.checkpoint();
      });
      if (!isCrashed) break;
    }
    await this.#untilCrash(async (env) => {
      const database = new EmbeddedDatabase(await this.#open(env));
      await checkRecovered(database, this.#model);
      this.#note('recovered, and as expected');
      await database.close();
    });
    this.#isRecovering = false;
  }
}

/** Small enough for a short run to see flushes, compactions, many segments, and commits of many batches. */
function smallLimits(random: SeededRandom): EngineLimits {
  return {
    memtableBytesMax: random.pick([48 * 1024, 200 * 1024, 64 * 1024 * 1024]),
    log: {
      segmentBytesMax: random.pick([16 * 1024, 64 * 1024, 32 * 1024 * 1024]),
      flushBytesMax: random.pick([2 * 1024, 4 * 1024 * 1024]),
      markBytes: random.pick([512, 16 * 1024, 4 * 1024 * 1024]),
      markDelayMs: random.pick([1, 10, 1000]),
    },
    commit: {
      largeCommitBytes: random.pick([4 * 1024, 64 * 1024, 4 * 1024 * 1024]),
      batchBytesMax: random.pick([1024, 1024 * 1024]),
      spillBytes: random.pick([512, 16 * 1024, 16 * 1024 * 1024]),
    },
    smallTableRows: random.pick([0, 1000]),
    indexSortBytesMax: random.pick([256, 4096, 64 * 1024 * 1024]),
    runBytesMax: random.pick([512, 16 * 1024, 64 * 1024 * 1024]),
  };
}
