import type { ExplainStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { execute } from '../../../query/exec/execute.ts';
import type { Actual } from '../../../query/exec/operator.ts';
import { explain } from '../../../query/plan/explain.ts';
import type { PhysicalPlan } from '../../../query/plan/physical.ts';
import { innerStatement, isBindable } from '../../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import type { Portal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { parseBoolean } from '../settings.ts';
import { momentsOf } from '../time-travel.ts';
import { type Option, optionsOf } from './ast-values.ts';
import { listPortal } from './list-portal.ts';
import { lockedQuery, prepareQuery } from './prepare.ts';
import { executionContext } from './query.ts';
import { explainColumns } from './text-column.ts';

export type ExplainOptions = {
  readonly analyze: boolean;
  readonly costs: boolean;
  readonly summary: boolean;
};

function explainOptions(options: readonly Option[]): ExplainOptions {
  const flag = (name: string, fallback: boolean): boolean => {
    const option = options.findLast((one) => one.name === name);
    if (option === undefined) return fallback;
    if (option.value === null) return true;
    const value = parseBoolean(String(option.value));
    if (value === null) throw new AlopexError('syntax_error', `${name} requires a Boolean value`);
    return value;
  };
  for (const { name } of options) {
    if (
      !['analyze', 'verbose', 'costs', 'settings', 'buffers', 'wal', 'timing', 'summary', 'format'].includes(
        name,
      )
    ) {
      throw new AlopexError('syntax_error', `unrecognized EXPLAIN option "${name}"`);
    }
  }
  const format = String(options.findLast((one) => one.name === 'format')?.value ?? 'text').toLowerCase();
  if (['json', 'xml', 'yaml'].includes(format)) throw unsupported(`EXPLAIN (FORMAT ${format.toUpperCase()})`);
  if (format !== 'text') {
    throw new AlopexError(
      'invalid_parameter_value',
      `unrecognized value for EXPLAIN option "format": "${format}"`,
    );
  }
  const analyze = flag('analyze', false);
  return {
    analyze,
    costs: flag('costs', true),
    summary: flag('summary', analyze),
  };
}

/** EXPLAIN ANALYZE runs the statement, and its writes stay in the transaction, as in PostgreSQL. */
export async function runExplain(
  session: EngineSession,
  statement: ParsedStatement,
  node: ExplainStmt,
  parameters: readonly Datum[],
): Promise<Portal> {
  const options = explainOptions(optionsOf(node.options));
  if (node.query === undefined) throw new AlopexError('syntax_error', 'EXPLAIN needs a statement');
  const explained = innerStatement(statement, node.query);
  if (!isBindable(explained)) throw unsupported('EXPLAIN of a utility statement');
  const run = session.beginRun(statement);
  const started = session.engine.env.clock.monotonicMs();
  const moments = await momentsOf(session, explained, [], parameters);
  const prepared = prepareQuery(session, explained, [], moments);
  const { plan } = options.analyze
    ? await lockedQuery(session, run.transaction, prepared, prepared.query!, moments)
    : prepared.query!;
  const planned = session.engine.env.clock.monotonicMs();
  let lines: readonly string[];
  if (options.analyze) {
    const clock = session.engine.env.clock;
    const actuals = new Map<PhysicalPlan, Actual>();
    const cursor = execute(plan, executionContext(session, run, parameters, moments), actuals);
    run.onEnd = () => cursor.close();
    for (;;) {
      const pulled = cursor.next();
      if ((pulled instanceof Promise ? await pulled : pulled) === null) break;
    }
    lines = explain(plan, { costs: options.costs, actuals });
    if (options.summary) {
      const executionMs = clock.monotonicMs() - planned;
      lines = [
        ...lines,
        `Planning Time: ${(planned - started).toFixed(3)} ms`,
        `Execution Time: ${executionMs.toFixed(3)} ms`,
      ];
    }
  } else {
    lines = explain(plan, { costs: options.costs, actuals: null });
  }
  session.endRun(run);
  return listPortal(
    explainColumns,
    [...lines, ...nodeLine(session)].map((line) => [line]),
    'EXPLAIN',
  );
}

/** Which node has planned it, and would run it. */
function nodeLine({ engine: { replication } }: EngineSession): readonly string[] {
  const self = replication?.status.nodes.find(({ isSelf }) => isSelf);
  return self === undefined ? [] : [`Node: ${self.id}, ${self.role}, ${self.client}`];
}
