import type { JoinAnswer, JoinRequest } from '../../api/database/replication.ts';
import { RemoteDatabase } from '../../api/remote/database.ts';
import type { Clock } from '../../base/env/env.ts';
import { AlopexError, asAlopexError, type Condition } from '../../base/errors.ts';
import { quoteLiteral } from '../../query/types/identifier.ts';

/** Nodes that start together wait for the primary among them. */
const patienceMs = 60_000;
const pauseMs = 500;
const passing: ReadonlySet<Condition> = new Set<Condition>(['connection_failure', 'cannot_connect_now']);

type Request = Omit<JoinRequest, 'isLoopback'>;

/** As `requestJoin`, again and again while nobody answers there, or there is no primary. `onProblem`: the first time. */
export async function requestJoinPatiently(
  clock: Clock,
  serverUrl: string,
  request: Request,
  onProblem: (problem: AlopexError) => void,
): Promise<JoinAnswer> {
  const untilMs = clock.monotonicMs() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await requestJoin(serverUrl, request);
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (!passing.has(error.condition) || clock.monotonicMs() > untilMs) throw error;
      if (attempt === 1) onProblem(waiting(error));
    }
    await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
  }
}

function waiting(cause: AlopexError): AlopexError {
  const message = `${cause.message}: trying again for ${patienceMs / 1000} s`;
  return new AlopexError(cause.condition, message, { cause });
}

/**
 * Asks a server of the cluster to take this node in, over the Postgres wire; one that is no primary passes it on. Throws
 * what it refuses with: 28000 without a valid token, from another machine.
 */
export async function requestJoin(
  serverUrl: string,
  { role, certificateRequest, mesh, client, token, transports }: Request,
): Promise<JoinAnswer> {
  const server = await RemoteDatabase.open({ url: serverUrl, connectionsMax: 1 });
  try {
    const words = [role, certificateRequest, mesh, client, token ?? '', transports.join()];
    const given = words.map(quoteLiteral).join(', ');
    const { rows } = await server.query<{ readonly answer: string }>(`CALL alopex.join(${given})`);
    if (rows[0] === undefined) {
      throw new AlopexError('protocol_violation', 'the server did not say how to join');
    }
    return JSON.parse(rows[0].answer) as JoinAnswer;
  } finally {
    await server.close();
  }
}
