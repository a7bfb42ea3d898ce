import { parentPort } from 'node:worker_threads';
import { AlopexError, type Condition, type ErrorFields } from '../../errors.ts';
import { invariant } from '../../unreachable.ts';

/** What a thread answers. An AlopexError crosses as its parts: a structured clone would lose its class. */
export type Answer =
  | { readonly kind: 'output'; readonly output: unknown }
  | { readonly kind: 'thrown'; readonly error: unknown }
  | PackedError;
type PackedError = {
  readonly kind: 'alopex';
  readonly condition: Condition;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Omit<ErrorFields, 'cause'>;
};

/** The thread's side: answers each request in turn. */
export function serve(handle: (request: unknown) => unknown): void {
  const port = parentPort;
  invariant(port !== null, 'a thread entry runs in a worker thread');
  port.on('message', async (request: unknown) => {
    try {
      port.postMessage({ kind: 'output', output: await handle(request) } satisfies Answer);
    } catch (error) {
      port.postMessage(packError(error));
    }
  });
}

function packError(error: unknown): Answer {
  if (!(error instanceof AlopexError)) return { kind: 'thrown', error };
  const { cause: _, ...fields } = error.fields;
  return { kind: 'alopex', condition: error.condition, message: error.message, stack: error.stack, fields };
}

/** The main thread's side. */
export function unpackError(answer: Exclude<Answer, { readonly kind: 'output' }>): unknown {
  if (answer.kind === 'thrown') return answer.error;
  const error = new AlopexError(answer.condition, answer.message, answer.fields);
  if (answer.stack !== undefined) error.stack = answer.stack;
  return error;
}
