import type { Assertion, Node, Syntax } from './syntax.ts';
import { invalidRegex } from './syntax.ts';

/** An automaton of Thompson's construction ("Regular Expression Search Algorithm", 1968). */
export type Instruction =
  | { readonly kind: 'set'; readonly accepts: (point: number) => boolean; readonly next: number }
  /** Both ways are taken; the first is preferred. */
  | { readonly kind: 'split'; readonly first: number; readonly second: number }
  | { readonly kind: 'save'; readonly slot: number; readonly next: number }
  | { readonly kind: 'assert'; readonly test: Assertion; readonly next: number }
  | { readonly kind: 'look'; readonly index: number; readonly next: number }
  | { readonly kind: 'match' };

/** What `(?=…)` and its kin ask: positions where a match starts (ahead: run backwards) or ends (behind). */
export type Look = { readonly isAhead: boolean; readonly isNegated: boolean; readonly program: Program };

export type Program = {
  readonly instructions: readonly Instruction[];
  readonly start: number;
  readonly slotCount: number;
  readonly looks: readonly Look[];
  /** The whole prefers the shortest match: its first quantifier is a non-greedy one. */
  readonly isShortest: boolean;
};

const instructionsMax = 50_000;

class Compiler {
  readonly instructions: Instruction[] = [{ kind: 'match' }];
  readonly looks: Look[] = [];
  readonly #isReversed: boolean;

  constructor(isReversed: boolean) {
    this.#isReversed = isReversed;
  }

  #add(instruction: Instruction): number {
    if (this.instructions.length >= instructionsMax) throw invalidRegex('regular expression is too complex');
    this.instructions.push(instruction);
    return this.instructions.length - 1;
  }

  /** Instructions that match the node and go on at `next`; returns where they start. */
  compile(node: Node, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next;
      case 'set':
        return this.#add({ kind: 'set', accepts: node.accepts, next });
      case 'sequence': {
        const items = this.#isReversed ? node.items : node.items.toReversed();
        return items.reduce((after, item) => this.compile(item, after), next);
      }
      case 'choice': {
        const starts = node.items.map((item) => this.compile(item, next));
        return starts.reduceRight((second, first) => this.#add({ kind: 'split', first, second }));
      }
      case 'repeat':
        return this.#repeat(node, next);
      case 'group': {
        const [open, close] = this.#isReversed ? [1, 0] : [0, 1];
        const end = this.#add({ kind: 'save', slot: node.index * 2 + close, next });
        return this.#add({ kind: 'save', slot: node.index * 2 + open, next: this.compile(node.item, end) });
      }
      case 'assert':
        return this.#add({ kind: 'assert', test: node.test, next });
      case 'look': {
        const program = makeProgram({ root: node.item, groupCount: 0 }, node.isAhead);
        this.looks.push({ isAhead: node.isAhead, isNegated: node.isNegated, program });
        return this.#add({ kind: 'look', index: this.looks.length - 1, next });
      }
    }
  }

  #repeat(node: Node & { readonly kind: 'repeat' }, next: number): number {
    let after = next;
    if (node.max === Number.POSITIVE_INFINITY) after = this.#star(node, next);
    else {
      for (let count = node.min; count < node.max; count++) {
        after = this.#split(this.compile(node.item, after), next, node.isGreedy);
      }
    }
    for (let count = 0; count < node.min; count++) after = this.compile(node.item, after);
    return after;
  }

  #star(node: Node & { readonly kind: 'repeat' }, next: number): number {
    const loop = this.#add({ kind: 'match' });
    const body = this.compile(node.item, loop);
    const [first, second] = node.isGreedy ? [body, next] : [next, body];
    this.instructions[loop] = { kind: 'split', first, second };
    return loop;
  }

  #split(body: number, skip: number, isGreedy: boolean): number {
    const [first, second] = isGreedy ? [body, skip] : [skip, body];
    return this.#add({ kind: 'split', first, second });
  }
}

/** Null: no preference of its own. A choice always prefers the longest. */
function prefersLongest(node: Node): boolean | null {
  switch (node.kind) {
    case 'choice':
      return true;
    case 'sequence':
      for (const item of node.items) {
        const preference = prefersLongest(item);
        if (preference !== null) return preference;
      }
      return null;
    case 'group':
      return prefersLongest(node.item);
    case 'repeat':
      return node.min === node.max ? prefersLongest(node.item) : node.isGreedy;
    default:
      return null;
  }
}

/** `isReversed`: matches the mirror image of the text. */
export function makeProgram(syntax: Syntax, isReversed = false): Program {
  const compiler = new Compiler(isReversed);
  const start = compiler.compile(syntax.root, 0);
  return {
    instructions: compiler.instructions,
    start,
    slotCount: (syntax.groupCount + 1) * 2,
    looks: compiler.looks,
    isShortest: prefersLongest(syntax.root) === false,
  };
}
