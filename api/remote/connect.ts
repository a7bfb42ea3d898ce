import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { ServerConnection } from './connection.ts';
import { openSocket } from './socket.ts';
import { startUp } from './startup.ts';
import type { Host, ServerAddress } from './url.ts';
import { Wire } from './wire.ts';

/**
 * A connection to the first host that takes it and is what `target_session_attrs` asks for. A host that cannot be
 * reached, or does not take connections now, is passed over; one that refuses the user is not: the next would too.
 */
export async function connect(address: ServerAddress): Promise<ServerConnection> {
  const problems: AlopexError[] = [];
  for (const host of address.hosts) {
    try {
      return await connectTo(host, address);
    } catch (thrown) {
      const problem = asAlopexError(thrown);
      if (!passesOver.has(problem.condition)) throw problem;
      problems.push(problem);
    }
  }
  if (problems.length === 1) throw problems[0]!;
  throw new AlopexError('connection_failure', problems.map(({ message }) => message).join('\n'), {
    cause: problems,
  });
}

const passesOver: ReadonlySet<AlopexError['condition']> = new Set([
  'connection_failure',
  'connection_exception',
  'cannot_connect_now',
  'admin_shutdown',
]);

async function connectTo(host: Host, address: ServerAddress): Promise<ServerConnection> {
  const wire = new Wire(await openSocket(host, address));
  const timer = setTimeout(() => wire.destroy(failedConnection(host, 'timed out')), address.connectMsMax);
  try {
    await startUp(wire, address);
    const connection = new ServerConnection(wire);
    if (address.sessionAttributes === 'read-write') await requireWritable(wire, connection, host);
    return connection;
  } catch (error) {
    wire.destroy(asAlopexError(error));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** As libpq finds out: from what the server reports, or by asking one that does not report it. */
async function requireWritable(wire: Wire, connection: ServerConnection, host: Host): Promise<void> {
  const reported = ['default_transaction_read_only', 'in_hot_standby'].map((name) =>
    wire.parameters.get(name),
  );
  const isReadOnly = reported.includes(undefined) ? await showsReadOnly(connection) : reported.includes('on');
  if (isReadOnly) throw failedConnection(host, 'failed: session is read-only');
}

async function showsReadOnly(connection: ServerConnection): Promise<boolean> {
  const { rows } = await connection.query<{ transaction_read_only: string }>(
    'SHOW transaction_read_only',
    [],
  );
  return rows[0]?.transaction_read_only !== 'off';
}

function failedConnection({ host, port }: Host, problem: string): AlopexError {
  return new AlopexError('connection_failure', `connection to server at "${host}", port ${port} ${problem}`);
}
