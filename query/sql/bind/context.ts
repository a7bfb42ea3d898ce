import type { Node } from 'libpg-query';
import type { Expression } from '../../plan/expression.ts';
import type { Environment } from './environment.ts';
import type { Scope } from './scope.ts';

/** Where an expression stands: what it can name, and what it may hold. */
export type ExpressionContext = {
  readonly environment: Environment;
  readonly scope: Scope;
  /** As PostgreSQL's messages name the place: 'WHERE', 'JOIN conditions', 'GROUP BY' … */
  readonly clause: string;
  readonly allowsAggregates: boolean;
  readonly allowsSets: boolean;
  /** Binds a part of the expression: the one entry, passed along so that the parts need not know each other. */
  readonly bind: (context: ExpressionContext, node: Node) => Expression;
};
