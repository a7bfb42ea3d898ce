import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { ColumnDefinition, RelationDefinition } from '../../../query/catalog/definition.ts';
import type { ExecutionContext, RowEvaluator } from '../../../query/exec/contract.ts';
import { compileRow, type RowFunction } from '../../../query/exec/row-compiler.ts';
import { standaloneEnvironment } from '../../../query/exec/standalone.ts';
import type { Modification } from '../../../query/plan/logical.ts';
import { parse } from '../../../query/sql/parse.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import { quoteIdentifier } from '../../../query/types/identifier.ts';
import { requireAccess } from '../access.ts';
import { noMoments } from '../catalog-history.ts';
import type { EngineSession } from '../session.ts';
import { bindQuery } from '../statements/prepare.ts';
import { qualifiedName } from '../statements/tables.ts';
import { BinaryCopyDecoder } from './binary.ts';
import { CopyDecoder, type CopyLine } from './decode.ts';
import type { CopyOptions } from './options.ts';

type Insert = Extract<Modification, { readonly kind: 'insert' }>;

/**
 * The receiving end of COPY FROM: lines to rows to the statement's writer. Columns that are not named take their
 * defaults: an INSERT of the named columns' parameters is bound once, and its expressions are evaluated for each
 * line.
 */
export class CopyTarget {
  readonly #columns: readonly ColumnDefinition[];
  readonly #options: CopyOptions;
  readonly #context: ExecutionContext;
  readonly #insert: Insert;
  readonly #expressions: readonly RowFunction[];
  readonly #text: CopyDecoder;
  readonly #binary = new BinaryCopyDecoder();
  #skipHeader: boolean;
  #line = 0;
  #rowCount = 0;

  private constructor(
    insert: Insert,
    columns: readonly ColumnDefinition[],
    options: CopyOptions,
    context: ExecutionContext,
  ) {
    this.#insert = insert;
    this.#columns = columns;
    this.#options = options;
    this.#context = context;
    this.#expressions = rowExpressions(insert).map(compileRow);
    this.#text = new CopyDecoder(options);
    this.#skipHeader = options.header !== 'none';
  }

  static bind(
    session: EngineSession,
    table: RelationDefinition,
    columns: readonly ColumnDefinition[],
    options: CopyOptions,
    context: ExecutionContext,
  ): CopyTarget {
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const values = columns.map((_, index) => `$${index + 1}`).join(', ');
    const insert = parse(
      `INSERT INTO ${qualifiedName(session, table)} (${names}) OVERRIDING SYSTEM VALUE VALUES (${values})`,
    )[0]!;
    const { plan, accesses } = bindQuery(
      session,
      insert,
      columns.map(({ type }) => type.oid),
      noMoments,
    );
    requireAccess(session, accesses);
    if (plan.kind !== 'modify' || plan.modification.kind !== 'insert') {
      throw new AlopexError('internal_error', 'COPY did not bind to an insert');
    }
    return new CopyTarget(plan.modification, columns, options, context);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#options.format === 'binary') {
      await this.#take(Array.from(this.#binary.push(chunk), (fields) => this.#binaryRow(fields)));
      return;
    }
    await this.#take(this.#textRows(this.#text.push(chunk)));
  }

  /** The number of rows. */
  async finish(): Promise<number> {
    if (this.#options.format === 'binary') this.#binary.finish();
    else await this.#take(this.#textRows(this.#text.finish()));
    return this.#rowCount;
  }

  async #take(rows: readonly (readonly Datum[])[]): Promise<void> {
    this.#context.checkCancelled();
    if (rows.length === 0) return;
    let isTaken = false;
    const source = {
      next: () => {
        if (isTaken) return null;
        isTaken = true;
        return rows;
      },
      close: () => {},
    };
    const { affectedRows } = await this.#context.writer!.modify(
      this.#insert,
      source,
      noExpressions,
      this.#context,
    );
    this.#rowCount += affectedRows;
  }

  #textRows(lines: Iterable<CopyLine>): (readonly Datum[])[] {
    const rows: (readonly Datum[])[] = [];
    for (const { line, fields } of lines) {
      this.#line = line;
      if (this.#skipHeader) {
        this.#skipHeader = false;
        this.#checkHeader(fields);
        continue;
      }
      rows.push(this.#textRow(fields));
    }
    return rows;
  }

  #checkHeader(fields: readonly (string | null)[]): void {
    if (this.#options.header !== 'match') return;
    if (
      fields.length !== this.#columns.length ||
      fields.some((field, index) => field !== this.#columns[index]!.name)
    ) {
      throw new AlopexError(
        'bad_copy_file_format',
        'column names in the header line do not match those of COPY',
      );
    }
  }

  #textRow(fields: readonly (string | null)[]): readonly Datum[] {
    this.#checkWidth(fields.length);
    const values = fields.map((field, index) => this.#parse(field, index));
    return this.#complete(values);
  }

  #checkWidth(count: number): void {
    const missing = this.#columns[count];
    const where = { where: `COPY, line ${this.#line}` };
    if (missing !== undefined)
      throw new AlopexError('bad_copy_file_format', `missing data for column "${missing.name}"`, where);
    if (count > this.#columns.length)
      throw new AlopexError('bad_copy_file_format', 'extra data after last expected column', where);
  }

  #parse(given: string | null, index: number): Datum {
    const column = this.#columns[index]!;
    const field = this.#forced(given, column.name);
    if (field === null) return null;
    try {
      return codecOf(column.type.oid).parse(field, column.type, this.#context.functions);
    } catch (error) {
      throw asAlopexError(error).with({
        where: `COPY, line ${this.#line}, column ${column.name}: "${field}"`,
      });
    }
  }

  #forced(field: string | null, column: string): string | null {
    if (field === null && this.#options.forceNotNull.includes(column)) return this.#options.nullText;
    if (field === this.#options.nullText && this.#options.forceNull.includes(column)) return null;
    return field;
  }

  #binaryRow(fields: readonly (Uint8Array | null)[]): readonly Datum[] {
    this.#line++;
    if (fields.length !== this.#columns.length) {
      throw new AlopexError(
        'bad_copy_file_format',
        `row field count is ${fields.length}, expected ${this.#columns.length}`,
      );
    }
    return this.#complete(
      fields.map((bytes, index) => {
        const { type } = this.#columns[index]!;
        return bytes === null ? null : codecOf(type.oid).decode(bytes, type);
      }),
    );
  }

  /** All of the table's columns: what was given, and defaults. */
  #complete(values: readonly Datum[]): readonly Datum[] {
    const environment = standaloneEnvironment(this.#context.functions, values);
    try {
      return this.#expressions.map((expression) => expression([], environment));
    } catch (error) {
      throw asAlopexError(error).with({ where: `COPY, line ${this.#line}` });
    }
  }
}

/** An INSERT … VALUES of one row. */
function rowExpressions(insert: Insert) {
  const { input } = insert;
  if (input.kind === 'values' && input.rows.length === 1) return input.rows[0]!;
  if (input.kind === 'project' && input.input.kind === 'single-row') return input.expressions;
  throw new AlopexError('internal_error', `COPY did not bind to one row of values, but to ${input.kind}`);
}

const noExpressions: RowEvaluator = {
  compile: () => {
    throw new AlopexError('internal_error', 'COPY has neither RETURNING nor ON CONFLICT');
  },
};
