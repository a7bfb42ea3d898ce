import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import { Engine } from '../../api/database/engine.ts';
import { crc32c } from '../../base/bytes/crc32c.ts';
import type { Env } from '../../base/env/env.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import { indexId, offset } from '../../base/ids.ts';
import { verifyBatch } from '../../log/record/header.ts';
import { keyPseudoColumn } from '../../materializers/rows/contract.ts';
import { scanAll } from './check.ts';
import { fileKind } from './file-kind.ts';

const path = '/db';

/** The files of a database that was closed. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** `detected`: opening or reading names the file and the byte. `harmless`: every answer is the same. */
export type FlipOutcome = 'detected' | 'harmless';

export type Flip = { readonly path: string; readonly bit: number };

const script = `
  CREATE TABLE person (id int PRIMARY KEY, name text UNIQUE, born timestamptz, score float8, wealth numeric(20, 4), facts jsonb);
  CREATE TABLE place (id bigserial PRIMARY KEY, shape float8[], spot vector(4), picture bytea, long text);
  CREATE INDEX ON person (score);
  INSERT INTO person SELECT n, 'name ' || n, '2026-01-01'::timestamptz + n * interval '1 day', n / 7.0, n * 1.25,
    ('{"n": ' || n || '}')::jsonb FROM generate_series(1, 50) AS n;
`;
const later = `
  UPDATE person SET score = -score, name = name || ' again' WHERE id % 5 = 0;
  DELETE FROM person WHERE id % 11 = 0;
  INSERT INTO place (shape, spot, picture, long) SELECT ARRAY[n, n / 2.0], '[1, 2, 3, 4]', decode('00ff10', 'hex'), repeat('long ' || n, 60)
    FROM generate_series(1, 12) AS n;
  INSERT INTO place (long) VALUES (repeat('beyond a page ', 700));
`;
/** A transaction of several batches, with files of its own. */
const large = `
  INSERT INTO person SELECT n, 'large ' || n, NULL, n, n, NULL FROM generate_series(1000, 1250) AS n;
`;
const last = `
  INSERT INTO person SELECT n, 'late ' || n, NULL, n, n, NULL FROM generate_series(100, 120) AS n;
  DELETE FROM place WHERE id = 3;
`;

/** A small database with every kind of file, and a tail of the log that no SSTable has. */
export async function sampleFiles(): Promise<Files> {
  const machine = new Simulation(1).machine('a');
  await machine.run(async (env) => {
    const database = await open(env);
    for (const part of [script, later, large, last]) {
      await database.query(part);
      if (part === later || part === large) await database.engine.checkpoint();
    }
    await database.close();
  });
  return new Map(machine.disk.files().map((file) => [file, machine.disk.contents(file)]));
}

async function open(env: Env): Promise<EmbeddedDatabase> {
  const engine = await Engine.open({
    env,
    path,
    cacheBytes: 1 << 20,
    connectionsMax: 10,
    settings: {},
    limits: {
      log: { segmentBytesMax: 6 * 1024 },
      commit: { largeCommitBytes: 64 * 1024, batchBytesMax: 8 * 1024, spillBytes: 64 * 1024 },
      runBytesMax: 16 * 1024,
    },
    onProblem: () => {},
  });
  return new EmbeddedDatabase(engine);
}

/** Everything that can be asked of a database: its catalog, each table by each of its indexes and row by row, the log. */
async function answers(files: Files): Promise<string> {
  return machineWith(files).run(async (env) => {
    const database = await open(env);
    const { engine } = database;
    const { catalog } = engine.transactions;
    const view = { at: engine.transactions.visible, pending: null };
    const seen: unknown[] = [...catalog.all()];
    for (const table of catalog.all()) {
      if (table.kind !== 'table') continue;
      const columns = table.layout.columns.map(({ id }) => id);
      for (const index of [indexId(0), ...table.layout.indexes.map(({ id }) => id)])
        seen.push(await scanAll(engine, table.layout, index, columns));
      for (const [key] of await scanAll(engine, table.layout, indexId(0), [keyPseudoColumn]))
        seen.push((await engine.reader.get(table.layout, key as Uint8Array, view, columns))?.values);
    }
    seen.push(await logChecksum(engine));
    await database.close();
    return JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  });
}

/** Of every byte from its start to the end of the sample, which the reopening may have written behind. */
async function logChecksum({ log }: Engine): Promise<number> {
  let checksum = 0;
  for (let at = log.startOffset; at < log.highWatermark; ) {
    for (const batch of await log.read(at, 1 << 20)) {
      const header = verifyBatch(batch);
      checksum = crc32c(batch, checksum);
      at = offset(header.lastOffset + 1);
    }
  }
  return checksum;
}

function machineWith(files: Files): SimulatedMachine {
  const machine = new Simulation(1).machine('a');
  const { tree } = machine.disk;
  for (const directory of [path, `${path}/log`, `${path}/rows`]) tree.makeDirectory(directory);
  for (const [file, bytes] of files) tree.create(file).damage(0, bytes);
  for (const directory of [`${path}/log`, `${path}/rows`])
    tree.sync(tree.directory(directory), tree.sequence);
  return machine;
}

/** A flipped bit that was served: no error, and another answer; or an error that does not name the file. */
export class UndetectedFlip extends Error {
  override readonly name = 'UndetectedFlip';
}

export class Flipper {
  readonly #files: Files;
  readonly #expected: string;
  readonly #byKind: readonly (readonly string[])[];

  private constructor(files: Files, expected: string) {
    this.#files = files;
    this.#expected = expected;
    this.#byKind = [...Map.groupBy(files.keys(), fileKind).values()];
  }

  static async create(): Promise<Flipper> {
    const files = await sampleFiles();
    return new Flipper(files, await answers(files));
  }

  get kinds(): readonly string[] {
    return this.#byKind.map(([file]) => fileKind(file!));
  }

  /** Each kind of file equally often; bits of bytes that say something four times in five. */
  pick(random: SeededRandom): Flip {
    const candidates = this.#byKind[random.below(this.#byKind.length)]!;
    const file = candidates[random.below(candidates.length)]!;
    const bytes = this.#files.get(file)!;
    let position = random.below(bytes.length);
    const wantsContent = random.chance(0.8);
    for (let tries = 0; wantsContent && bytes[position] === 0 && tries < 1000; tries++)
      position = random.below(bytes.length);
    return { path: file, bit: position * 8 + random.below(8) };
  }

  async outcomeOf({ path: file, bit }: Flip): Promise<FlipOutcome> {
    const damaged = this.#files.get(file)!.slice();
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
    try {
      const actual = await answers(new Map([...this.#files, [file, damaged]]));
      if (actual === this.#expected) return 'harmless';
    } catch (error) {
      if (error instanceof AlopexError && namesFile(error, file)) return 'detected';
      throw new UndetectedFlip(`bit ${bit} of ${file}: the error does not name it: ${String(error)}`, {
        cause: error,
      });
    }
    throw new UndetectedFlip(`bit ${bit} of ${file}: it was served`);
  }
}

/** Damage names file and byte; a version from the future, which a flip can make, the file alone. */
function namesFile({ condition, message }: AlopexError, file: string): boolean {
  if (condition === 'feature_not_supported') return message.includes(`${file} has`);
  return condition === 'data_corrupted' && message.includes(`${file} is corrupt at byte`);
}

/** A random source for a seed's flips. */
export function flipRandom(seed: number): SeededRandom {
  return new SeededRandom(seed ^ 0xf11b);
}
