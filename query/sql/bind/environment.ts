import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { CatalogSnapshot, RelationDefinition } from '../../catalog/definition.ts';
import type { Privilege } from '../../catalog/privileges.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan, VirtualRelation } from '../../plan/logical.ts';
import { formatType } from '../../types/format-type.ts';
import type { FunctionContext } from '../../types/function.ts';
import { findType } from '../../types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../types/type.ts';
import { place } from '../ast.ts';
import { maxParameters } from '../limits.ts';
import type { SystemTime } from '../parse.ts';
import type { Scope } from './scope.ts';
import type { CteScope } from './with.ts';

export type BindOptions = {
  readonly catalog: CatalogSnapshot;
  /** Schemas that unqualified names are looked up in; pg_catalog comes before them where they do not name it. */
  readonly searchPath: readonly string[];
  /** What input of literals asks for: time zone, date style, the clock ('now'). */
  readonly functionContext: FunctionContext;
  /** Types that the client declared for `$1` …; 0 where it leaves them to be inferred. */
  readonly parameterTypes: readonly TypeOid[];
  readonly virtualRelation: (schema: string, name: string) => VirtualRelation | undefined;
  /**
   * The catalogs of FOR SYSTEM_TIME clauses, by their places. One whose moment is not known yet, as that of a
   * parameter without a value, has none: its table is looked up in `catalog`.
   */
  readonly pastCatalogs?: ReadonlyMap<number, CatalogSnapshot>;
};

export type QueryBinder = (environment: Environment, node: Node, surroundings: Surroundings) => LogicalPlan;

/** What a query sees from outside: the enclosing queries' names, and WITH queries. */
export type Surroundings = {
  readonly outer: Scope | null;
  readonly ctes: CteScope | null;
  /** Literals of unknown type in the select list become text; a set operation or INSERT gives them theirs. */
  readonly resolvesUnknowns: boolean;
};

/** What a statement does with a table: what its user needs the privilege for. */
export type TableAccess = { readonly table: RelationDefinition; readonly privilege: Privilege };

/** What asks for a superuser: a relation of the system that others may not read. */
export type SecretAccess = { readonly secret: VirtualRelation };

export type Access = TableAccess | SecretAccess;

/** What the whole binding of one statement shares. */
export type Environment = BindOptions & {
  readonly systemTimes: ReadonlyMap<number, SystemTime>;
  readonly parameters: ParameterTypes;
  /** Gathered as tables are found. */
  readonly accesses: Access[];
  /** Where an expression stands in the text, from 0; -1 or nothing where unknown. */
  readonly locations: WeakMap<Expression, number>;
  readonly nextCteId: () => number;
  /** Binds a query within the statement; passed along because queries and expressions hold each other. */
  readonly bindQuery: QueryBinder;
};

export function newEnvironment(
  options: BindOptions,
  systemTimes: ReadonlyMap<number, SystemTime>,
  bindQuery: QueryBinder,
): Environment {
  let cteId = 0;
  return {
    ...options,
    systemTimes,
    parameters: new ParameterTypes(options.parameterTypes),
    accesses: [],
    locations: new WeakMap(),
    bindQuery,
    nextCteId: () => {
      cteId += 1;
      return cteId;
    },
  };
}

/** Types of `$n` as they become known: declared by the client, or by the first use that needs a type. */
export class ParameterTypes {
  readonly #types: TypeOid[];

  constructor(declared: readonly TypeOid[]) {
    this.#types = declared.map((oid) => (oid === 0 ? oids.unknown : oid));
    const missing = this.#types.find((oid) => findType(oid) === undefined);
    if (missing !== undefined) {
      throw new AlopexError('undefined_object', `type with OID ${missing} does not exist`);
    }
  }

  /** `$number`, with its type so far. */
  use(number: number, location: number): Expression {
    if (number < 1 || number > maxParameters) {
      throw new AlopexError('undefined_parameter', `there is no parameter $${number}`, place(location));
    }
    while (this.#types.length < number) this.#types.push(oids.unknown);
    return { kind: 'parameter', type: { oid: this.#types[number - 1]!, modifier: -1 }, index: number - 1 };
  }

  /** A use that wants `type`: the first one decides. */
  resolve(index: number, type: SqlType, location: number): Expression {
    const known = this.#types[index]!;
    if (known !== oids.unknown && known !== type.oid) {
      throw new AlopexError('ambiguous_parameter', `inconsistent types deduced for parameter $${index + 1}`, {
        detail: `${formatType({ oid: known, modifier: -1 })} versus ${formatType(type)}`,
        ...place(location),
      });
    }
    this.#types[index] = type.oid;
    return { kind: 'parameter', type: { oid: type.oid, modifier: -1 }, index };
  }

  /** All types, once the statement is bound. */
  finish(): readonly TypeOid[] {
    const index = this.#types.indexOf(oids.unknown);
    if (index !== -1) {
      throw new AlopexError(
        'indeterminate_datatype',
        `could not determine data type of parameter $${index + 1}`,
      );
    }
    return this.#types;
  }
}

export function typeOf(oid: TypeOid): SqlType {
  return { oid, modifier: -1 };
}

/** Notes where an expression stands. */
export function located<E extends Expression>(environment: Environment, expression: E, location: number): E {
  if (!environment.locations.has(expression)) environment.locations.set(expression, location);
  return expression;
}

export function placeOf(environment: Environment, expression: Expression): { readonly position?: number } {
  return place(environment.locations.get(expression) ?? -1);
}
