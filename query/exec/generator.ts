import { compareText } from '../../base/bytes/utf8.ts';
import type { ColumnVector } from '../../base/values/column.ts';
import { Numeric, narrow } from '../../base/values/numeric.ts';
import type { Expression } from '../plan/expression.ts';
import { columnsOf } from '../plan/rewrite.ts';
import { applyModifier } from '../types/modifier.ts';
import { typeInfo } from '../types/registry.ts';
import type { SqlType } from '../types/type.ts';
import { inlineCall, inlineCast, type Representation } from './inlines.ts';
import { compileRow } from './row-compiler.ts';

/** A generated expression: `code` is a variable, a literal, or a cheap total expression over them. */
export type Generated = {
  readonly code: string;
  /** JavaScript that says whether it is null; null: it never is. */
  readonly isNull: string | null;
  readonly representation: Representation;
};

/** What generated code may name. */
const library = { compareText, narrow, Numeric, applyModifier };

/**
 * Writes JavaScript that evaluates expressions for row `i` of a batch whose columns have known kinds. Statements
 * go to the current block; AND, CASE and COALESCE open blocks of their own, so that what SQL does not evaluate
 * is not evaluated.
 */
export class Generator {
  readonly constants: unknown[] = [];
  readonly #kinds: readonly string[];
  readonly #prologue: string[] = [];
  readonly #declared = new Set<string>();
  #block: string[] = [];
  #variables = 0;

  /** `kinds`: as `kindOf` says, by column. */
  constructor(kinds: readonly string[]) {
    this.#kinds = kinds;
  }

  /** A function of (columns, E, …parameters): the prologue, and then the body. */
  build(parameters: readonly string[], body: string): (...values: unknown[]) => unknown {
    const names = Object.keys(library);
    const constants = this.constants.map((_value, index) => `k${index}`);
    const source = `'use strict'; return (columns, E, ${parameters.join(', ')}) => {\n${this.#prologue.join('\n')}\n${body}\n};`;
    const make = new Function(...names, ...constants, source);
    return make(...Object.values(library), ...this.constants);
  }

  /** Runs `emit` with a fresh block, and returns its statements beside its answer. */
  nested<Result>(emit: () => Result): { readonly statements: string; readonly result: Result } {
    const outer = this.#block;
    this.#block = [];
    const result = emit();
    const statements = this.#block.join('\n');
    this.#block = outer;
    return { statements, result };
  }

  push(statement: string): void {
    this.#block.push(statement);
  }

  variable(): string {
    return `v${this.#variables++}`;
  }

  constant(value: unknown): string {
    this.constants.push(value);
    return `k${this.constants.length - 1}`;
  }

  expression(expression: Expression): Generated {
    switch (expression.kind) {
      case 'constant':
        return this.#constantOf(expression.value);
      case 'column':
        return this.#column(expression.index);
      case 'parameter':
        return this.#hoisted('parameters', expression.index, expression.type);
      case 'outer-column':
        return this.#hoisted('slots', expression.index, expression.type);
      case 'call':
        return this.#call(expression);
      case 'cast':
        return this.#cast(expression);
      case 'and':
      case 'or':
        return this.#connective(expression.operands, expression.kind === 'or');
      case 'not': {
        const operand = this.expression(expression.operand);
        return { code: `!(${operand.code})`, isNull: operand.isNull, representation: 'boolean' };
      }
      case 'is-null': {
        const operand = this.expression(expression.operand);
        const isNull = operand.isNull ?? 'false';
        if (expression.operand.type.oid === 2249) return this.#byRow(expression);
        return {
          code: expression.negated ? `!(${isNull})` : `(${isNull})`,
          isNull: null,
          representation: 'boolean',
        };
      }
      case 'case':
        return this.#case(expression);
      case 'coalesce':
        return this.#coalesce(expression.operands);
      default:
        return this.#byRow(expression);
    }
  }

  #constantOf(value: unknown): Generated {
    if (value === null) return { code: 'null', isNull: 'true', representation: 'datum' };
    if (typeof value === 'boolean') return { code: String(value), isNull: null, representation: 'boolean' };
    if (typeof value === 'number') {
      const code = Number.isFinite(value) && !Object.is(value, -0) ? `(${value})` : this.constant(value);
      return { code, isNull: null, representation: 'number' };
    }
    return { code: this.constant(value), isNull: null, representation: 'datum' };
  }

  #declare(name: string, value: string): void {
    if (this.#declared.has(name)) return;
    this.#declared.add(name);
    this.#prologue.push(`const ${name} = ${value};`);
  }

  #column(index: number): Generated {
    const kind = this.#kinds[index]!;
    const source = `columns[${index}]`;
    const isNull = kind.endsWith('?') ? `n${index}[i] === 1` : null;
    if (isNull !== null) this.#declare(`n${index}`, `${source}.nulls`);
    const values = (): void => this.#declare(`c${index}`, `${source}.values`);
    switch (kind.replace('?', '')) {
      case 'float64':
      case 'int32':
        values();
        return { code: `c${index}[i]`, isNull, representation: 'number' };
      case 'bool':
        values();
        return { code: `(c${index}[i] === 1)`, isNull, representation: 'boolean' };
      case 'int64':
        values();
        return this.#assigned(`narrow(c${index}[i])`, isNull, 'datum');
      case 'scaled':
        this.#declare(`c${index}`, `${source}.units`);
        this.#declare(`s${index}`, `${source}.scale`);
        return this.#assigned(`Numeric.of(c${index}[i], s${index})`, isNull, 'datum');
      case 'dictionary':
        this.#declare(`c${index}`, `${source}.codes`);
        this.#declare(`d${index}`, `${source}.dictionary`);
        return { code: `d${index}[c${index}[i]]`, isNull, representation: 'datum' };
      case 'utf8':
        this.#declare(`t${index}`, `${source}.text`);
        return this.#assigned(`t${index}.at(i)`, isNull, 'datum');
      default: {
        values();
        const name = this.variable();
        this.push(`const ${name} = c${index}[i];`);
        return { code: name, isNull: `${name} === null`, representation: 'datum' };
      }
    }
  }

  #assigned(code: string, isNull: string | null, representation: Representation): Generated {
    const name = this.variable();
    this.push(`const ${name} = ${isNull === null ? code : `${isNull} ? null : ${code}`};`);
    return { code: name, isNull: isNull === null ? null : `${name} === null`, representation };
  }

  /** A parameter or a slot: read once a batch. */
  #hoisted(source: 'parameters' | 'slots', index: number, type: SqlType): Generated {
    const name = `${source}${index}`;
    this.#declare(name, `E.${source}[${index}] ?? null`);
    return { code: name, isNull: `${name} === null`, representation: representationOf(type) };
  }

  #call(expression: Extract<Expression, { readonly kind: 'call' }>): Generated {
    const callee = expression.function;
    if (!callee.isStrict) return this.#byRow(expression);
    const operands = expression.arguments.map((argument) => this.expression(argument));
    const nullTests = operands.flatMap((operand) => (operand.isNull === null ? [] : [operand.isNull]));
    const anyNull = nullTests.length === 0 ? null : `(${nullTests.join(' || ')})`;
    const inline = inlineCall(callee, operands);
    if (inline?.isTotal) return { code: inline.code, isNull: anyNull, representation: inline.result };
    const name = this.variable();
    const evaluate = this.constant(callee.evaluate);
    const codes = operands.map((operand) => operand.code);
    const call = `${evaluate}(${[...(callee.usesContext ? ['E.functions'] : []), ...codes].join(', ')})`;
    if (inline === null) {
      this.push(`const ${name} = ${anyNull === null ? call : `${anyNull} ? null : ${call}`};`);
      return { code: name, isNull: `${name} === null`, representation: representationOf(expression.type) };
    }
    const guarded = inline.before === null ? inline.code : `${inline.before} ? ${inline.code} : NaN`;
    const compute = `${name} = ${guarded}; if (!(${inline.holds(name)})) ${name} = ${call};`;
    const isInt8 = typeInfo(expression.type.oid).physical.kind === 'int8';
    this.push(`let ${name} = 0; ${anyNull === null ? compute : `if (!${anyNull}) { ${compute} }`}`);
    return { code: name, isNull: anyNull, representation: isInt8 ? 'datum' : inline.result };
  }

  #cast(expression: Extract<Expression, { readonly kind: 'cast' }>): Generated {
    const { cast, type } = expression;
    const operand = this.expression(expression.operand);
    if (cast === null && type.modifier === -1) return operand;
    if (cast !== null && type.modifier === -1) {
      const inline = inlineCast(cast, operand);
      if (inline !== null)
        return { code: inline.code, isNull: operand.isNull, representation: inline.result };
    }
    const name = this.variable();
    const converted =
      cast === null ? operand.code : `${this.constant(cast.evaluate)}(E.functions, ${operand.code})`;
    this.push(`let ${name} = ${operand.isNull === null ? '' : `${operand.isNull} ? null : `}${converted};`);
    if (type.modifier !== -1) {
      const target = this.constant(type);
      this.push(
        `if (${name} !== null) ${name} = applyModifier(${name}, ${target}, ${expression.isExplicit});`,
      );
    }
    return { code: name, isNull: `${name} === null`, representation: representationOf(type) };
  }

  #connective(operands: readonly Expression[], decisive: boolean): Generated {
    const parts = operands.map((operand) => this.nested(() => this.expression(operand)));
    if (parts.every((part) => part.statements === '' && part.result.isNull === null)) {
      const code = parts.map((part) => part.result.code).join(decisive ? ' || ' : ' && ');
      return { code: `(${code})`, isNull: null, representation: 'boolean' };
    }
    const value = this.variable();
    const sawNull = this.variable();
    this.push(`let ${value} = ${!decisive}, ${sawNull} = false;`);
    let closing = '';
    for (const { statements, result } of parts) {
      const isDecisive = decisive ? `(${result.code})` : `!(${result.code})`;
      const known = result.isNull === null ? isDecisive : `!(${result.isNull}) && ${isDecisive}`;
      const remember = result.isNull === null ? '' : `if (${result.isNull}) ${sawNull} = true;`;
      this.push(
        `${statements} if (${known}) { ${value} = ${decisive}; ${sawNull} = false; } else { ${remember}`,
      );
      closing += '}';
    }
    this.push(closing);
    return { code: value, isNull: sawNull, representation: 'boolean' };
  }

  #case(expression: Extract<Expression, { readonly kind: 'case' }>): Generated {
    const representation = representationOf(expression.type);
    const value = this.variable();
    const isNull = this.variable();
    this.push(`let ${value} = ${initial(representation)}, ${isNull} = true;`);
    const assign = (part: { readonly statements: string; readonly result: Generated }): string =>
      `${part.statements} ${isNull} = ${part.result.isNull ?? 'false'}; if (!${isNull}) ${value} = ${part.result.code};`;
    let closing = '';
    for (const branch of expression.branches) {
      const when = this.nested(() => this.expression(branch.when));
      const result = this.nested(() => this.expression(branch.result));
      this.push(`${when.statements} if (${isTrue(when.result)}) { ${assign(result)} } else {`);
      closing += '}';
    }
    const otherwise = expression.otherwise;
    if (otherwise !== null) this.push(assign(this.nested(() => this.expression(otherwise))));
    this.push(closing);
    return { code: value, isNull, representation };
  }

  #coalesce(operands: readonly Expression[]): Generated {
    const value = this.variable();
    const isNull = this.variable();
    const representation = representationOf(operands[0]!.type);
    this.push(`let ${value} = ${initial(representation)}, ${isNull} = true;`);
    let closing = '';
    for (const operand of operands) {
      const { statements, result } = this.nested(() => this.expression(operand));
      this.push(
        `${statements} ${isNull} = ${result.isNull ?? 'false'}; if (!${isNull}) ${value} = ${result.code}; else {`,
      );
      closing += '}';
    }
    this.push(closing);
    return { code: value, isNull, representation };
  }

  /** What has no code of its own runs as a closure over a row that holds the columns that it reads. */
  #byRow(expression: Expression): Generated {
    const row = this.constant([]);
    for (const index of columnsOf(expression)) {
      const column = this.#column(index);
      this.push(
        `${row}[${index}] = ${column.isNull === null ? column.code : `${column.isNull} ? null : ${column.code}`};`,
      );
    }
    const name = this.variable();
    this.push(`const ${name} = ${this.constant(compileRow(expression))}(${row}, E);`);
    return { code: name, isNull: `${name} === null`, representation: representationOf(expression.type) };
  }
}

/** JavaScript that holds where a boolean is true and not null. */
export function isTrue(value: Generated): string {
  return value.isNull === null ? value.code : `!(${value.isNull}) && ${value.code}`;
}

function initial(representation: Representation): string {
  return representation === 'number' ? '0' : representation === 'boolean' ? 'false' : 'null';
}

/** Int8 may be a bigint. */
function representationOf(type: SqlType): Representation {
  switch (typeInfo(type.oid).physical.kind) {
    case 'int4':
    case 'float4':
    case 'float8':
      return 'number';
    case 'bool':
      return 'boolean';
    default:
      return 'datum';
  }
}

/** What generated code depends on in a column: the kind of its vector, and whether it has nulls ('?'). */
export function kindOf(column: ColumnVector): string {
  return column.kind === 'datum' || column.nulls === null ? column.kind : `${column.kind}?`;
}
