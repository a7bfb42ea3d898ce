import type { JoinAnswer, JoinRequest } from '../../api/database/replication.ts';
import { RemoteDatabase } from '../../api/remote/database.ts';
import { AlopexError } from '../../base/errors.ts';
import { quoteLiteral } from '../../query/types/identifier.ts';

/**
 * Asks a server of the cluster to take this node in, over the Postgres wire; one that is no primary passes it on. Throws
 * what it refuses with: 28000 without a valid token, from another machine.
 */
export async function requestJoin(
  serverUrl: string,
  { role, certificateRequest, mesh, client, token, transports }: Omit<JoinRequest, 'isLoopback'>,
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
