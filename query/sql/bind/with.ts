import type { CommonTableExpr, Node, SelectStmt, WithClause } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { CteDefinition, LogicalPlan, OutputColumn } from '../../plan/logical.ts';
import { formatType } from '../../types/format-type.ts';
import { locationOf, place, stringsOf } from '../ast.ts';
import { coerce } from './coerce.ts';
import type { Environment } from './environment.ts';
import type { Scope } from './scope.ts';
import { sortByOf } from './sort-key.ts';

/** WITH queries by name, innermost first. */
export type CteScope = {
  readonly name: string;
  readonly id: number;
  readonly columns: readonly OutputColumn[];
  readonly next: CteScope | null;
};

export function findCte(scope: CteScope | null, name: string): CteScope | null {
  for (let at = scope; at !== null; at = at.next) if (at.name === name) return at;
  return null;
}

export type BoundWith = { readonly definitions: readonly CteDefinition[]; readonly ctes: CteScope | null };

/** Binds a WITH clause: each query sees those before it, and with RECURSIVE itself. */
export function bindWith(
  environment: Environment,
  node: WithClause | undefined,
  outer: Scope | null,
  ctes: CteScope | null,
): BoundWith {
  const definitions: CteDefinition[] = [];
  const names = new Set<string>();
  let scope = ctes;
  for (const entry of node?.ctes ?? []) {
    if (!('CommonTableExpr' in entry)) continue;
    const query = entry.CommonTableExpr;
    const name = query.ctename ?? '';
    refuseUnsupported(query);
    if (names.has(name)) {
      throw new AlopexError(
        'duplicate_alias',
        `WITH query name "${name}" specified more than once`,
        place(query.location),
      );
    }
    names.add(name);
    const definition =
      node?.recursive === true && readsItself(query)
        ? bindRecursive(environment, query, outer, scope)
        : bindPlain(environment, query, outer, scope);
    definitions.push(definition);
    scope = { name, id: definition.id, columns: definition.plan.columns, next: scope };
  }
  return { definitions, ctes: scope };
}

export function wrapWith({ definitions }: BoundWith, input: LogicalPlan): LogicalPlan {
  return definitions.length === 0 ? input : { kind: 'with', columns: input.columns, definitions, input };
}

function refuseUnsupported(query: CommonTableExpr): void {
  const { position } = place(query.location);
  if (query.search_clause !== undefined) throw unsupported('SEARCH', position);
  if (query.cycle_clause !== undefined) throw unsupported('CYCLE', position);
  if (query.ctequery !== undefined && !('SelectStmt' in query.ctequery)) {
    throw unsupported('INSERT, UPDATE or DELETE in WITH', position);
  }
}

function bindPlain(
  environment: Environment,
  query: CommonTableExpr,
  outer: Scope | null,
  ctes: CteScope | null,
): CteDefinition {
  const plan = environment.bindQuery(environment, query.ctequery!, { outer, ctes, resolvesUnknowns: true });
  const id = environment.nextCteId();
  return { id, name: query.ctename ?? '', plan: renamed(query, plan), recursive: null };
}

function renamed(query: CommonTableExpr, plan: LogicalPlan): LogicalPlan {
  const names = stringsOf(query.aliascolnames);
  if (names.length > plan.columns.length) {
    throw new AlopexError(
      'invalid_column_reference',
      `WITH query "${query.ctename}" has ${plan.columns.length} columns available but ${names.length} columns specified`,
      place(query.location),
    );
  }
  const columns = plan.columns.map((column, index) => ({ ...column, name: names[index] ?? column.name }));
  return { ...plan, columns };
}

/** `first UNION [ALL] step`: the step reads the rows of the round before. */
function bindRecursive(
  environment: Environment,
  query: CommonTableExpr,
  outer: Scope | null,
  ctes: CteScope | null,
): CteDefinition {
  const name = query.ctename ?? '';
  const union = recursiveUnion(query);
  const first = renamed(
    query,
    environment.bindQuery(environment, { SelectStmt: union.larg! }, { outer, ctes, resolvesUnknowns: true }),
  );
  const id = environment.nextCteId();
  const step = environment.bindQuery(
    environment,
    { SelectStmt: union.rarg! },
    { outer, ctes: { name, id, columns: first.columns, next: ctes }, resolvesUnknowns: false },
  );
  const recursive = { step: asFirst(environment, query, first, step), all: union.all === true };
  return { id, name, plan: first, recursive };
}

function recursiveUnion(query: CommonTableExpr): SelectStmt {
  const { position } = place(query.location);
  const name = query.ctename ?? '';
  const node = query.ctequery!;
  const select = 'SelectStmt' in node ? node.SelectStmt : {};
  if (select.op !== 'SETOP_UNION' || namesTable(select.larg, name)) {
    throw new AlopexError(
      'invalid_recursion',
      `recursive query "${name}" does not have the form non-recursive-term UNION [ALL] recursive-term`,
      place(query.location),
    );
  }
  if (select.withClause !== undefined) throw unsupported('WITH in a recursive query', position);
  const [key] = select.sortClause ?? [];
  if (key !== undefined) {
    throw new AlopexError(
      'feature_not_supported',
      'ORDER BY in a recursive query is not implemented',
      place(locationOf(sortByOf(key).node)),
    );
  }
  if (select.limitCount !== undefined || select.limitOffset !== undefined) {
    throw new AlopexError(
      'feature_not_supported',
      'LIMIT in a recursive query is not implemented',
      place(query.location),
    );
  }
  return select;
}

/** The step's columns in the types of the first term, which decides. */
function asFirst(
  environment: Environment,
  query: CommonTableExpr,
  first: LogicalPlan,
  step: LogicalPlan,
): LogicalPlan {
  if (first.columns.length !== step.columns.length) {
    throw new AlopexError(
      'syntax_error',
      'each UNION query must have the same number of columns',
      place(query.location),
    );
  }
  const expressions = first.columns.map(({ type }, index): Expression => {
    const own: Expression = { kind: 'column', type: step.columns[index]!.type, index };
    const coerced = coerce(environment, own, { ...type, modifier: -1 }, 'implicit');
    if (coerced !== null) return coerced;
    throw new AlopexError(
      'datatype_mismatch',
      `recursive query "${query.ctename}" column ${index + 1} has type ${formatType(type)} in non-recursive term but type ${formatType(own.type)} overall`,
      {
        hint: 'Cast the output of the non-recursive term to the correct type.',
        ...place(query.location),
      },
    );
  });
  if (expressions.every((expression) => expression.kind === 'column')) return step;
  return { kind: 'project', columns: first.columns, input: step, expressions };
}

function readsItself(query: CommonTableExpr): boolean {
  return namesTable(query.ctequery, query.ctename ?? '');
}

/** Whether a table of this name, without a schema, stands anywhere in a parse tree. */
function namesTable(tree: Node | SelectStmt | undefined, name: string): boolean {
  if (tree === undefined) return false;
  if ('relname' in tree && tree.relname === name && !('schemaname' in tree)) return true;
  return Object.values(tree).some(
    (value: unknown) => typeof value === 'object' && value !== null && namesTable(value as Node, name),
  );
}
