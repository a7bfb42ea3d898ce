import type { DatabaseError } from 'pg-protocol';
import { AlopexError, type Condition, type ErrorFields, sqlStates } from '../../base/errors.ts';

const conditions = new Map(
  Object.entries(sqlStates).map(([name, code]) => [code as string, name as Condition]),
);

/** What ErrorResponse says, as the embedded database would throw it. */
export function problemOf(error: DatabaseError, placeOf: (position: number) => number): AlopexError {
  const fields: Partial<Record<keyof ErrorFields, unknown>> = {
    detail: error.detail,
    hint: error.hint,
    position: error.position === undefined ? undefined : placeOf(Number(error.position)),
    schema: error.schema,
    table: error.table,
    column: error.column,
    dataType: error.dataType,
    constraint: error.constraint,
    where: error.where,
    cause: conditions.has(error.code ?? '') ? undefined : error,
  };
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return new AlopexError(conditionOf(error.code ?? ''), error.message, given);
}

/** A code that Alopex does not raise is its class's, where there is one; the cause has the code itself. */
function conditionOf(code: string): Condition {
  return conditions.get(code) ?? conditions.get(`${code.slice(0, 2)}000`) ?? 'internal_error';
}

/** A statement was sent, and its answer did not come. */
export function lost(cause: Error | null): AlopexError {
  return new AlopexError('connection_failure', 'server closed the connection unexpectedly', {
    detail: 'A statement had been sent: it may have run. It is not sent again.',
    ...(cause === null ? {} : { cause }),
  });
}

/** The same of a commit: 40003. */
export function commitUnknown(cause: AlopexError): AlopexError {
  return new AlopexError(
    'statement_completion_unknown',
    'the connection was lost before the server answered COMMIT: the transaction may be committed or not',
    { cause },
  );
}
