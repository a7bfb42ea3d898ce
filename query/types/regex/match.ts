import type { Instruction, Program } from './program.ts';
import { makeProgram } from './program.ts';
import type { Assertion, RegexOptions } from './syntax.ts';
import { isWordPoint, parseRegex, plainOptions } from './syntax.ts';

/**
 * Runs a program over a text in time proportional to both (Pike's simulation; Cox, "Regular Expression
 * Matching: the Virtual Machine Approach"). PostgreSQL wants the leftmost match, and of those the longest, or
 * the shortest where the expression prefers it; a second run then finds the groups of a match of that span.
 */
export type RegexMatch = {
  /** Offsets in the string: start and end of the whole, then of each group (-1: took no part). */
  readonly offsets: readonly number[];
};

type Points = ArrayLike<number>;

function pointsOf(text: string): Uint32Array {
  const points = new Uint32Array(text.length);
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const point = text.codePointAt(index)!;
    if (point > 0xffff) index++;
    points[count++] = point;
  }
  return points.subarray(0, count);
}

function holds(test: Assertion, points: Points, at: number): boolean {
  const isAfterWord = at > 0 && isWordPoint(points[at - 1]!);
  const isBeforeWord = at < points.length && isWordPoint(points[at]!);
  switch (test) {
    case 'text-start':
      return at === 0;
    case 'text-end':
      return at === points.length;
    case 'line-start':
      return at === 0 || points[at - 1] === 10;
    case 'line-end':
      return at === points.length || points[at] === 10;
    case 'word-start':
      return !isAfterWord && isBeforeWord;
    case 'word-end':
      return isAfterWord && !isBeforeWord;
    case 'word-edge':
      return isAfterWord !== isBeforeWord;
    case 'word-inside':
      return isAfterWord === isBeforeWord;
  }
}

/** The states that wait for a character, in order of preference, each with the group offsets it has seen. */
class ThreadList {
  readonly states: number[] = [];
  readonly slots: (Int32Array | null)[] = [];
  readonly #seen: Uint32Array;
  #generation = 0;

  constructor(size: number) {
    this.#seen = new Uint32Array(size);
  }

  clear(): void {
    this.states.length = 0;
    this.slots.length = 0;
    this.#generation++;
  }

  /** False where the state is in the list already. */
  visit(state: number): boolean {
    if (this.#seen[state] === this.#generation) return false;
    this.#seen[state] = this.#generation;
    return true;
  }
}

class Matcher {
  readonly #program: Program;
  readonly #points: Points;
  readonly #looks: readonly Uint8Array[];
  #current: ThreadList;
  #next: ThreadList;

  constructor(program: Program, points: Points) {
    this.#program = program;
    this.#points = points;
    this.#current = new ThreadList(program.instructions.length);
    this.#next = new ThreadList(program.instructions.length);
    this.#looks = program.looks.map((look) => {
      const found = new Matcher(look.program, points).positions(look.isAhead);
      return look.isNegated ? found.map((value) => 1 - value) : found;
    });
  }

  /** Follows what takes no character. True where `match` was reached. */
  #follow(list: ThreadList, start: number, at: number, slots: Int32Array | null): Int32Array | boolean {
    const stack: [number, Int32Array | null][] = [[start, slots]];
    let reached: Int32Array | boolean = false;
    for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
      const [state, seen] = entry;
      if (!list.visit(state)) continue;
      const instruction: Instruction = this.#program.instructions[state]!;
      switch (instruction.kind) {
        case 'match':
          if (reached === false) reached = seen ?? true;
          break;
        case 'set':
          list.states.push(state);
          list.slots.push(seen);
          break;
        case 'split':
          stack.push([instruction.second, seen], [instruction.first, seen]);
          break;
        case 'save':
          stack.push([instruction.next, seen === null ? null : withSlot(seen, instruction.slot, at)]);
          break;
        case 'assert':
          if (holds(instruction.test, this.#points, at)) stack.push([instruction.next, seen]);
          break;
        case 'look':
          if (this.#looks[instruction.index]![at] === 1) stack.push([instruction.next, seen]);
          break;
      }
    }
    return reached;
  }

  /** Takes one character in every thread. */
  #step(point: number, at: number): Int32Array | boolean {
    this.#next.clear();
    let reached: Int32Array | boolean = false;
    for (let index = 0; index < this.#current.states.length; index++) {
      const instruction = this.#program.instructions[this.#current.states[index]!]!;
      if (instruction.kind !== 'set' || !instruction.accepts(point)) continue;
      const result = this.#follow(this.#next, instruction.next, at, this.#current.slots[index]!);
      if (reached === false) reached = result;
    }
    [this.#current, this.#next] = [this.#next, this.#current];
    return reached;
  }

  /** 1 at every position where a match ends; backwards, where one starts. */
  positions(isBackwards: boolean): Uint8Array {
    const length = this.#points.length;
    const found = new Uint8Array(length + 1);
    this.#current.clear();
    for (let count = 0; count <= length; count++) {
      const at = isBackwards ? length - count : count;
      if (count > 0 && this.#step(this.#points[isBackwards ? at : at - 1]!, at) !== false) found[at] = 1;
      if (this.#follow(this.#current, this.#program.start, at, null) !== false) found[at] = 1;
    }
    return found;
  }

  test(): boolean {
    this.#current.clear();
    for (let at = 0; at <= this.#points.length; at++) {
      if (at > 0 && this.#step(this.#points[at - 1]!, at) !== false) return true;
      if (this.#follow(this.#current, this.#program.start, at, null) !== false) return true;
    }
    return false;
  }

  /** The end of the longest (or shortest) match that starts there, or -1. */
  #endFrom(start: number): number {
    this.#current.clear();
    let end = this.#follow(this.#current, this.#program.start, start, null) === false ? -1 : start;
    for (let at = start; at < this.#points.length && this.#current.states.length > 0; at++) {
      if (end >= 0 && this.#program.isShortest) return end;
      if (this.#step(this.#points[at]!, at + 1) !== false) end = at + 1;
    }
    return end;
  }

  /** Where the leftmost match at or after `from` starts: a reversed run says which positions start one. */
  find(from: number, starts: Uint8Array): Int32Array | null {
    for (let start = from; start <= this.#points.length; start++) {
      if (starts[start] !== 1) continue;
      const end = this.#endFrom(start);
      if (end >= 0) return this.#groups(start, end);
    }
    return null;
  }

  #groups(start: number, end: number): Int32Array {
    const whole = new Int32Array(this.#program.slotCount).fill(-1);
    whole[0] = start;
    whole[1] = end;
    if (whole.length === 2) return whole;
    this.#current.clear();
    let reached = this.#follow(this.#current, this.#program.start, start, whole);
    for (let at = start; at < end; at++) reached = this.#step(this.#points[at]!, at + 1);
    return typeof reached === 'boolean' ? whole : reached;
  }
}

function withSlot(slots: Int32Array, slot: number, value: number): Int32Array {
  const copy = slots.slice();
  copy[slot] = value;
  return copy;
}

/** A compiled expression. */
export class Regex {
  readonly groupCount: number;
  readonly #program: Program;
  readonly #reversed: Program;

  constructor(pattern: string, options: RegexOptions = plainOptions) {
    const syntax = parseRegex(pattern, options);
    this.groupCount = syntax.groupCount;
    this.#program = makeProgram(syntax);
    this.#reversed = makeProgram(syntax, true);
  }

  test(text: string): boolean {
    return new Matcher(this.#program, pointsOf(text)).test();
  }

  /** Matches from left to right that do not overlap; an empty one never touches the end of the one before. */
  *matches(text: string, startCharacter = 0): Generator<RegexMatch> {
    const points = pointsOf(text);
    const offsetOf = offsets(text, points.length);
    const matcher = new Matcher(this.#program, points);
    const starts = new Matcher(this.#reversed, points).positions(true);
    let from = startCharacter;
    while (from <= points.length) {
      const found = matcher.find(from, starts);
      if (found === null) return;
      yield { offsets: Array.from(found, offsetOf) };
      from = found[1]! > found[0]! ? found[1]! : found[1]! + 1;
    }
  }

  first(text: string, startCharacter = 0): RegexMatch | null {
    for (const match of this.matches(text, startCharacter)) return match;
    return null;
  }
}

/** From a count of characters to an offset in the string. */
function offsets(text: string, characterCount: number): (character: number) => number {
  if (characterCount === text.length) return (character) => character;
  const table: number[] = [];
  for (let index = 0; index < text.length; index++) {
    table.push(index);
    if (text.codePointAt(index)! > 0xffff) index++;
  }
  table.push(text.length);
  return (character) => (character < 0 ? -1 : table[character]!);
}

const cachedMax = 500;
const cache = new Map<string, Regex>();

/** Compiled once for a pattern and its options. */
export function compileRegex(pattern: string, options: RegexOptions): Regex {
  const key = `${JSON.stringify(options)}${pattern}`;
  let regex = cache.get(key);
  if (regex === undefined) {
    regex = new Regex(pattern, options);
    if (cache.size >= cachedMax) cache.clear();
    cache.set(key, regex);
  }
  return regex;
}
