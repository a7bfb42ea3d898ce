import type { SeededRandom } from './random.ts';

/** Of the branches that a run comes across, those that it takes at all: different runs go different ways. */
const chosenProbability = 0.25;

/**
 * Branches of the code that hardly ever come about by themselves, taken at random (FoundationDB's buggify: Zhou and
 * others, SIGMOD 2021, §4.2). None is taken while `probability` is 0.
 */
export class RareBranches {
  /** Of each time that a run comes to a branch that it has chosen. */
  probability = 0;
  readonly #random: SeededRandom;
  readonly #chosen = new Map<string, boolean>();
  readonly #taken = new Map<string, number>();

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** How often each was taken. */
  get taken(): ReadonlyMap<string, number> {
    return this.#taken;
  }

  take(branch: string): boolean {
    if (this.probability === 0) return false;
    let isChosen = this.#chosen.get(branch);
    if (isChosen === undefined) {
      isChosen = this.#random.chance(chosenProbability);
      this.#chosen.set(branch, isChosen);
    }
    if (!isChosen || !this.#random.chance(this.probability)) return false;
    this.#taken.set(branch, (this.#taken.get(branch) ?? 0) + 1);
    return true;
  }
}
