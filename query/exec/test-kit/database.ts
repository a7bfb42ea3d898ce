import { timestamp } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { executeDdl, isDdl } from '../../catalog/ddl/execute.ts';
import type { CatalogSnapshot } from '../../catalog/definition.ts';
import { applyChanges, emptyCatalog } from '../../catalog/snapshot.ts';
import { bootstrapObjects } from '../../catalog/well-known.ts';
import type { LogicalPlan, Modification } from '../../plan/logical.ts';
import type { PhysicalPlan, Statement } from '../../plan/physical.ts';
import { planQuery } from '../../plan/planner.ts';
import { bindStatement } from '../../sql/bind/statement.ts';
import { loadParser, parse } from '../../sql/parse.ts';
import type { FunctionContext } from '../../types/function.ts';
import type {
  Cursor,
  ExecutionContext,
  ModifyResult,
  RowSource,
  SpillStore,
  StatementWriter,
} from '../contract.ts';
import { execute } from '../execute.ts';
import type { Actual } from '../operator.ts';
import { rowsOf } from '../rows.ts';
import { MemoryReader } from './memory-reader.ts';

type Row = readonly Datum[];

/** A database of one session in memory: parser, binder, planner and executor over `MemoryReader`. */
export class MemoryDatabase {
  readonly reader: MemoryReader;
  catalog: CatalogSnapshot;
  memoryMax = Number.POSITIVE_INFINITY;
  reserved = 0;
  reservedMax = 0;
  spill: SpillStore | null = null;

  private constructor(reader: MemoryReader, catalog: CatalogSnapshot) {
    this.reader = reader;
    this.catalog = catalog;
  }

  static async open(reader: MemoryReader = new MemoryReader()): Promise<MemoryDatabase> {
    await loadParser();
    const objects = bootstrapObjects;
    const catalog = applyChanges(
      emptyCatalog(),
      objects.map((object) => ({ kind: 'put', object })),
    );
    return new MemoryDatabase(reader, catalog);
  }

  bind(sql: string): LogicalPlan {
    const [statement] = parse(sql);
    return bindStatement(statement!, {
      catalog: this.catalog,
      searchPath: ['public'],
      functionContext,
      parameterTypes: [],
      virtualRelation: () => undefined,
    }).plan;
  }

  plan(sql: string): Statement {
    return planQuery(this.bind(sql), {
      catalog: this.catalog,
      reader: this.reader,
      functions: functionContext,
      readsPast: false,
    });
  }

  /** Statements one after the other; the rows of the last. */
  async run(sql: string, parameters: readonly Datum[] = []): Promise<Row[]> {
    let rows: Row[] = [];
    for (const statement of parse(sql)) {
      if (isDdl(statement.kind)) this.#define(statement.node);
      else rows = await this.rows(this.plan(statement.source), parameters);
    }
    return rows;
  }

  async rows(
    statement: Statement,
    parameters: readonly Datum[] = [],
    actuals: Map<PhysicalPlan, Actual> | null = null,
  ): Promise<Row[]> {
    return drain(execute(statement, this.context(parameters), actuals));
  }

  context(parameters: readonly Datum[]): ExecutionContext {
    const view = { at: timestamp(1), pending: null };
    return {
      reader: this.reader,
      view,
      catalog: this.catalog,
      functions: functionContext,
      parameters,
      checkCancelled: () => undefined,
      slice: () => null,
      sliceMs: () => 0,
      workMemoryBytes: this.memoryMax,
      reserve: (bytes) => {
        this.reserved += bytes;
        this.reservedMax = Math.max(this.reservedMax, this.reserved);
      },
      release: (bytes) => {
        this.reserved -= bytes;
      },
      spill: this.spill,
      momentAt: () => ({ view, catalog: this.catalog }),
      writer: this.#writer(),
    };
  }

  #define(node: Parameters<typeof executeDdl>[0]): void {
    const { changes } = executeDdl(node, {
      catalog: this.catalog,
      searchPath: ['public'],
      user: 'alopex',
      bindDefault: () => ({ text: 'null', isVolatile: false, evaluate: () => null }),
      passwordVerifier: () => '',
    });
    this.catalog = applyChanges(this.catalog, changes);
    for (const change of changes) {
      if (change.kind === 'put' && change.object.kind === 'table') this.#publishIndexes(change.object.id);
    }
  }

  /** Indexes of empty tables need no backfill. */
  #publishIndexes(table: number): void {
    const object = this.catalog.byId(table);
    if (object?.kind !== 'table') return;
    const indexes = object.layout.indexes.map((index) => ({ ...index, state: 'public' as const }));
    const published = { ...object, layout: { ...object.layout, indexes } };
    this.catalog = applyChanges(this.catalog, [{ kind: 'put', object: published }]);
  }

  #writer(): StatementWriter {
    return {
      modify: (modification, input, evaluate) => this.#modify(modification, input, evaluate.compile),
      lock: async (_target, row, _strength, _wait, recheck) => (recheck(row) ? row : null),
    };
  }

  async #modify(
    modification: Modification,
    input: RowSource,
    compile: (expression: import('../../plan/expression.ts').Expression) => (row: Row) => Datum,
  ): Promise<ModifyResult> {
    const { layout } = modification.table;
    const stored = this.reader.rowsOf(layout);
    const returning = modification.returning?.map(compile) ?? null;
    const returned: Row[] = [];
    let affectedRows = 0;
    const changes: (() => void)[] = [];
    for (let rows = await input.next(); rows !== null; rows = await input.next()) {
      for (const row of rows) {
        affectedRows++;
        const old = row.slice(0, layout.columns.length);
        const at = stored.findIndex((candidate) => candidate.every((value, column) => value === old[column]));
        let shown = row;
        if (modification.kind === 'insert') {
          changes.push(() =>
            stored.push(row.map((value, column) => (isRowId(layout, column) ? stored.length : value))),
          );
        }
        if (modification.kind === 'delete') changes.push(() => stored.splice(stored.indexOf(stored[at]!), 1));
        if (modification.kind === 'update') {
          const changed = [...row];
          for (const { attribute, value } of modification.assignments) {
            changed[layout.columns.findIndex(({ id }) => id === attribute)] = compile(value)(row);
          }
          shown = changed;
          changes.push(() => {
            stored[at] = changed.slice(0, layout.columns.length);
          });
        }
        if (returning !== null) returned.push(returning.map((expression) => expression(shown)));
      }
    }
    for (const change of changes) change();
    return { affectedRows, returned };
  }
}

function isRowId(
  layout: {
    readonly columns: readonly { readonly id: number }[];
    readonly key: readonly { readonly column: number }[];
  },
  column: number,
): boolean {
  return (
    layout.columns.length === column + 1 &&
    layout.key.length === 1 &&
    layout.key[0]!.column === layout.columns[column]!.id &&
    column > 0
  );
}

export async function drain(cursor: Cursor): Promise<Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const batch = await cursor.next();
    if (batch === null) return rows;
    rows.push(...rowsOf(batch));
  }
}

const absent = (): never => {
  throw new RangeError('not part of this test');
};

export const functionContext: FunctionContext = {
  transactionMicros: 1_700_000_000_000_000,
  statementMicros: 1_700_000_000_000_000,
  clockMicros: () => 1_700_000_000_000_000,
  random: () => 0.5,
  randomBytes: (length) => new Uint8Array(length),
  timeZone: 'UTC',
  dateStyle: 'ISO, MDY',
  intervalStyle: 'postgres',
  extraFloatDigits: 1,
  byteaOutput: 'hex',
  user: 'alopex',
  sessionUser: 'alopex',
  database: 'alopex',
  searchPath: ['public'],
  backendPid: 1,
  getSetting: () => null,
  setSetting: (_name, value) => value,
  catalog: {
    relationOid: absent,
    relationName: absent,
    typeOid: absent,
    typeName: absent,
    namespaceOid: absent,
    namespaceName: absent,
    roleOid: absent,
    roleName: absent,
    functionOid: absent,
    functionName: absent,
    isTableVisible: absent,
    indexDefinition: absent,
    constraintDefinition: absent,
    columnDefault: absent,
    serialSequence: absent,
  },
  sequences: { nextValue: absent, currentValue: absent, lastValue: absent, setValue: absent },
};
