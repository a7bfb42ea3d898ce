import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutation } from './mutations.ts';

export const root = join(import.meta.dirname, '../../..');
const copied = ['base', 'log', 'materializers', 'query', 'api', 'test/sim', 'package.json'];

export type Found = {
  readonly name: string;
  readonly seed: number | null;
  readonly how: string;
  readonly seconds: number;
};

/** The source with the bug in it; throws where its place is not there, or is there twice. */
export function mutated(source: string, { name, file, find, replace }: Mutation): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`"${name}": its place is ${places} times in ${file}`);
  return source.replace(find, () => replace);
}

/** Throws where the source has moved on: a bug that is not put in is never found. */
export async function requirePlace(mutation: Mutation): Promise<void> {
  mutated(await readFile(join(root, mutation.file), 'utf8'), mutation);
}

/** A copy of the source tree, in which bugs are put one after another. */
export class MutatedTree {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<MutatedTree> {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-mutations-'));
    for (const name of copied) await cp(join(root, name), join(directory, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    return new MutatedTree(directory);
  }

  /** Runs the cluster simulator with the bug until a seed shows it that passes without it, or all have passed. */
  async hunt(mutation: Mutation, seeds: number): Promise<Found> {
    const startMs = performance.now();
    const found = (seed: number | null, how: string): Found => {
      return { name: mutation.name, seed, how, seconds: (performance.now() - startMs) / 1000 };
    };
    for (let first = 1; first <= seeds; ) {
      const failure = await this.#firstFailure(mutation, first, seeds);
      if (failure === null) break;
      const { seed, how } = failure;
      if (failureIn(await this.#simulate(seed, seed, mutation)) === null) return found(seed, how);
      first = seed + 1;
    }
    return found(null, 'not found');
  }

  async #firstFailure(mutation: Mutation, first: number, last: number): Promise<Failure | null> {
    const path = join(this.#directory, mutation.file);
    const source = await readFile(path, 'utf8');
    await writeFile(path, mutated(source, mutation));
    try {
      return failureIn(await this.#simulate(first, last, mutation));
    } finally {
      await writeFile(path, source);
    }
  }

  #simulate(first: number, last: number, { shape }: Mutation): Promise<string> {
    const seeds = ['--seed', `${first}`, '--seeds', `${last - first + 1}`];
    const ofShape = shape === undefined ? [] : ['--shape', shape];
    const flags = [...seeds, ...ofShape, '--whole', '--stop', '--timeline', '0'];
    const simulator = spawn(process.execPath, ['test/sim/cluster/main.ts', ...flags], {
      cwd: this.#directory,
    });
    let output = '';
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
    };
    simulator.stdout.on('data', hear);
    simulator.stderr.on('data', hear);
    return new Promise((resolve, reject) => {
      simulator.on('error', reject);
      simulator.on('close', () => {
        // It says in the end what it covered, or which seed failed.
        if (/ seeds in |^seed \d+: /m.test(output)) resolve(output);
        else reject(new Error(`the simulator does not run: ${output}`));
      });
    });
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }
}

type Failure = { readonly seed: number; readonly how: string };

function failureIn(output: string): Failure | null {
  const failure = /^seed (\d+): (.*)$/m.exec(output);
  return failure === null ? null : { seed: Number(failure[1]), how: failure[2] ?? '' };
}
