import { type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { Expression } from '../plan/expression.ts';
import { columnsOf } from '../plan/rewrite.ts';
import { typeInfo } from '../types/registry.ts';
import type { SqlType } from '../types/type.ts';
import { type Generated, Generator, isTrue, kindOf } from './generator.ts';
import type { Environment } from './operator.ts';
import { compileRow, type RowFunction } from './row-compiler.ts';
import { datumVector, liveCount } from './vectors.ts';

/** Rows that an expression runs over as closures before code is generated for it: generating costs about 50 µs. */
const coldRowsMax = 512;

/** Whether this host lets code be generated; a page's content security policy may not. */
let canGenerate = ((): boolean => {
  try {
    return new Function('return true')() === true;
  } catch {
    return false;
  }
})();

/** Tests run both ways: 'closures' never generates, 'generated' does so from the first row. */
export type CompilationMode = 'adaptive' | 'closures' | 'generated';
let mode: CompilationMode = 'adaptive';
export function setCompilationMode(wanted: CompilationMode): void {
  mode = wanted;
}

function isHot(rows: number): boolean {
  if (!canGenerate || mode === 'closures') return false;
  return mode === 'generated' || rows > coldRowsMax;
}

type Program = (...values: unknown[]) => unknown;

/** Programs by the kinds of the columns that they read; shared by all executions of a plan. */
class ProgramCache {
  readonly #programs = new Map<string, Program>();
  readonly #columns: readonly number[];

  constructor(columns: readonly number[]) {
    this.#columns = columns;
  }

  find(batch: ColumnBatch, generate: (kinds: readonly string[]) => Program): Program | null {
    let signature = batch.selection === null ? '' : 's';
    for (const column of this.#columns) signature += ` ${kindOf(batch.columns[column]!)}`;
    let program = this.#programs.get(signature);
    if (program === undefined) {
      const kinds: string[] = [];
      for (const column of this.#columns) kinds[column] = kindOf(batch.columns[column]!);
      try {
        program = generate(kinds);
      } catch (error) {
        if (!(error instanceof EvalError)) throw error;
        canGenerate = false;
        return null;
      }
      this.#programs.set(signature, program);
    }
    return program;
  }
}

const caches = new WeakMap<object, ProgramCache>();

function cacheOf(owner: object, expressions: readonly Expression[]): ProgramCache {
  let cache = caches.get(owner);
  if (cache === undefined) {
    cache = new ProgramCache([...new Set(expressions.flatMap(columnsOf))]);
    caches.set(owner, cache);
  }
  return cache;
}

const loopHead = (hasSelection: boolean): string =>
  hasSelection
    ? 'for (let j = 0; j < count; j++) { const i = selection[j];'
    : 'for (let i = 0; i < count; i++) {';

/** Four rows a turn: a loop of one comparison takes 0.6 ns a row so, and 1.0 otherwise. */
function unrolled(body: string): string {
  const turn = ['j', 'j + 1', 'j + 2', 'j + 3'].map((row) => `{ const i = ${row}; ${body} }`).join('\n');
  return `let j = 0; for (; j + 3 < count; j += 4) { ${turn} } for (; j < count; j++) { const i = j; ${body} }`;
}

/** Reads rows of a batch into one scratch row, as closures take them. */
class RowCursor {
  readonly row: Datum[] = [];
  readonly #columns: readonly number[];

  constructor(columns: readonly number[]) {
    this.#columns = columns;
  }

  moveTo(batch: ColumnBatch, index: number): readonly Datum[] {
    for (const column of this.#columns) this.row[column] = datumAt(batch.columns[column]!, index);
    return this.row;
  }
}

/** A condition over batches: which rows make it true. */
export class BatchFilter {
  readonly #condition: Expression;
  readonly #environment: Environment;
  readonly #cache: ProgramCache;
  readonly #cursor: RowCursor;
  readonly #closure: RowFunction;
  #rows = 0;
  /** Written anew for each batch. */
  #live = new Uint32Array(0);

  constructor(condition: Expression, environment: Environment) {
    this.#condition = condition;
    this.#environment = environment;
    this.#cache = cacheOf(condition, [condition]);
    this.#cursor = new RowCursor(columnsOf(condition));
    this.#closure = compileRow(condition);
  }

  /** The batch with fewer live rows, or null where none is left. */
  apply(batch: ColumnBatch): ColumnBatch | null {
    const count = liveCount(batch);
    this.#rows += count;
    const program = isHot(this.#rows)
      ? this.#cache.find(batch, (kinds) => this.#generate(kinds, batch))
      : null;
    if (this.#live.length < count) this.#live = new Uint32Array(count);
    const live = this.#live;
    const kept =
      program === null
        ? this.#interpret(batch, count, live)
        : (program(batch.columns, this.#environment, batch.selection, count, live) as number);
    if (kept === 0) return null;
    if (kept === count) return batch;
    return { ...batch, selection: live.slice(0, kept) };
  }

  #generate(kinds: readonly string[], batch: ColumnBatch): Program {
    const generator = new Generator(kinds);
    const conjuncts = this.#condition.kind === 'and' ? this.#condition.operands : [this.#condition];
    const tests = conjuncts.map((conjunct) => generator.nested(() => generator.expression(conjunct)));
    const body = tests
      .map((test) => `${test.statements} if (!(${isTrue(test.result)})) break row;`)
      .join('\n');
    const keep = `row: { ${body} live[kept++] = i; }`;
    const isShort = batch.selection === null && tests.every((test) => test.statements === '');
    const loop = isShort ? unrolled(keep) : `${loopHead(batch.selection !== null)} ${keep} }`;
    return generator.build(['selection', 'count', 'live'], `let kept = 0; ${loop} return kept;`);
  }

  #interpret(batch: ColumnBatch, count: number, live: Uint32Array): number {
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const index = batch.selection === null ? at : batch.selection[at]!;
      if (this.#closure(this.#cursor.moveTo(batch, index), this.#environment) === true) live[kept++] = index;
    }
    return kept;
  }
}

/** Expressions over batches. Vectors are as long as the batch and hold values at its live rows. */
export class BatchProjection {
  readonly #computed: readonly Expression[];
  readonly #expressions: readonly Expression[];
  readonly #environment: Environment;
  readonly #cache: ProgramCache;
  readonly #cursor: RowCursor;
  #rows = 0;

  constructor(expressions: readonly Expression[], environment: Environment) {
    this.#expressions = expressions;
    this.#computed = expressions.filter((expression) => expression.kind !== 'column');
    this.#environment = environment;
    this.#cache = cacheOf(expressions, this.#computed);
    this.#cursor = new RowCursor([...new Set(this.#computed.flatMap(columnsOf))]);
  }

  apply(batch: ColumnBatch): readonly ColumnVector[] {
    const computed = this.#computed.length === 0 ? [] : this.#compute(batch);
    let next = 0;
    return this.#expressions.map((expression) =>
      expression.kind === 'column' ? batch.columns[expression.index]! : computed[next++]!,
    );
  }

  #compute(batch: ColumnBatch): readonly ColumnVector[] {
    const count = liveCount(batch);
    this.#rows += count;
    const program = isHot(this.#rows)
      ? this.#cache.find(batch, (kinds) => this.#generate(kinds, batch))
      : null;
    if (program === null) return this.#interpret(batch, count);
    return program(
      batch.columns,
      this.#environment,
      batch.selection,
      count,
      batch.rowCount,
    ) as ColumnVector[];
  }

  #generate(kinds: readonly string[], batch: ColumnBatch): Program {
    const generator = new Generator(kinds);
    const outputs = this.#computed.map((expression, at) => outputOf(generator, expression, at));
    const head = outputs.map((output) => output.declare).join('\n');
    const body = outputs.map((output) => output.store).join('\n');
    const tail = outputs.map((output) => output.vector).join(', ');
    return generator.build(
      ['selection', 'count', 'rowCount'],
      `${head} ${loopHead(batch.selection !== null)} ${body} } return [${tail}];`,
    );
  }

  #interpret(batch: ColumnBatch, count: number): readonly ColumnVector[] {
    return this.#computed.map((expression) => {
      const closure = compileRow(expression);
      const values = new Array<Datum>(batch.rowCount).fill(null);
      for (let at = 0; at < count; at++) {
        const index = batch.selection === null ? at : batch.selection[at]!;
        values[index] = closure(this.#cursor.moveTo(batch, index), this.#environment);
      }
      return typedVector(values, expression.type);
    });
  }
}

type Output = { readonly declare: string; readonly store: string; readonly vector: string };

/** How one generated expression's values are kept: in the typed array of its type where all values fit. */
function outputOf(generator: Generator, expression: Expression, at: number): Output {
  const { statements, result } = generator.nested(() => generator.expression(expression));
  const kind = typedKind(expression.type);
  if (kind === null || (kind !== 'bool' && result.representation === 'boolean'))
    return datumOutput(statements, result, at);
  const finish = generator.constant(typedResult);
  const store = kind === 'bool' ? `o${at}[i] = ${result.code} ? 1 : 0` : storeNumber(result, at);
  const guarded =
    result.isNull === null ? `${store};` : `if (${result.isNull}) { z${at}[i] = 1; } else { ${store}; }`;
  const arrays = { float64: 'Float64Array', int32: 'Int32Array', bool: 'Uint8Array' };
  const nulls = result.isNull === null ? 'null' : 'new Uint8Array(rowCount)';
  return {
    declare: `const o${at} = new ${arrays[kind]}(rowCount), z${at} = ${nulls}; let big${at} = null;`,
    store: `${statements} ${guarded}`,
    vector: `${finish}('${kind}', o${at}, z${at}, big${at})`,
  };
}

/** An int8 may turn out to be a bigint: those are kept aside. */
function storeNumber(result: Generated, at: number): string {
  if (result.representation === 'number') return `o${at}[i] = ${result.code}`;
  return `if (typeof ${result.code} === 'bigint') (big${at} ??= new Map()).set(i, ${result.code}); else o${at}[i] = ${result.code}`;
}

function datumOutput(statements: string, result: Generated, at: number): Output {
  const value = result.isNull === null ? result.code : `${result.isNull} ? null : ${result.code}`;
  return {
    declare: `const o${at} = new Array(rowCount).fill(null);`,
    store: `${statements} o${at}[i] = ${value};`,
    vector: `{ kind: 'datum', values: o${at}, nulls: null }`,
  };
}

type TypedKind = 'float64' | 'int32' | 'bool';

function typedKind(type: SqlType): TypedKind | null {
  switch (typeInfo(type.oid).physical.kind) {
    case 'int4':
      return 'int32';
    case 'int8':
    case 'float4':
    case 'float8':
      return 'float64';
    case 'bool':
      return 'bool';
    default:
      return null;
  }
}

function typedResult(
  kind: TypedKind,
  values: Float64Array & Int32Array & Uint8Array,
  nulls: Uint8Array | null,
  bigs: ReadonlyMap<number, bigint> | null,
): ColumnVector {
  if (bigs === null) return { kind, values, nulls };
  const datums = Array.from(
    values as Float64Array,
    (value, row): Datum => (nulls !== null && nulls[row] === 1 ? null : value),
  );
  for (const [row, value] of bigs) datums[row] = value;
  return datumVector(datums);
}

/** Datums as the vector that generated code would have made of them. */
function typedVector(values: readonly Datum[], type: SqlType): ColumnVector {
  const kind = typedKind(type);
  if (kind === null || values.some((value) => typeof value === 'bigint')) return datumVector(values);
  const numbers =
    kind === 'int32'
      ? new Int32Array(values.length)
      : kind === 'bool'
        ? new Uint8Array(values.length)
        : new Float64Array(values.length);
  let nulls: Uint8Array | null = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value !== null) {
      numbers[row] = Number(value);
      continue;
    }
    nulls ??= new Uint8Array(values.length);
    nulls[row] = 1;
  }
  return { kind, values: numbers, nulls } as ColumnVector;
}
