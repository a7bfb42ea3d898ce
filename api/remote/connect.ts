import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { ServerConnection } from './connection.ts';
import { type SessionAttributes, unwanted } from './session-attributes.ts';
import { openSocket } from './socket.ts';
import { startUp } from './startup.ts';
import type { Host, ServerAddress } from './url.ts';
import { Wire } from './wire.ts';

/** A host that could not be reached is tried after the others for so long: one whose machine is gone takes its time. */
const avoidedMs = 30_000;

/** Connects to the hosts of one address, and remembers which of them were not there. */
export class Connector {
  readonly #address: ServerAddress;
  readonly #failedMs = new Map<Host, number>();

  constructor(address: ServerAddress) {
    this.#address = address;
  }

  /**
   * A connection to the first host that takes it and is what `target_session_attrs` asks for. A host that cannot be
   * reached, or does not take connections now, is passed over; one that refuses the user is not: the next would too.
   */
  async connect(): Promise<ServerConnection> {
    const problems: AlopexError[] = [];
    for (const wanted of this.#wishes()) {
      for (const host of this.#inOrder()) {
        const found = await this.#tryHost(host, wanted);
        if (found instanceof ServerConnection) return found;
        problems.push(found);
      }
    }
    if (problems.length === 1) throw problems[0]!;
    throw new AlopexError('connection_failure', problems.map(({ message }) => message).join('\n'), {
      cause: problems,
    });
  }

  #wishes(): readonly SessionAttributes[] {
    const { sessionAttributes } = this.#address;
    return sessionAttributes === 'prefer-standby' ? ['standby', 'any'] : [sessionAttributes];
  }

  #inOrder(): readonly Host[] {
    const sinceMs = performance.now() - avoidedMs;
    const isAvoided = (host: Host): boolean => (this.#failedMs.get(host) ?? -avoidedMs) > sinceMs;
    return this.#address.hosts.toSorted((a, b) => Number(isAvoided(a)) - Number(isAvoided(b)));
  }

  async #tryHost(host: Host, wanted: SessionAttributes): Promise<ServerConnection | AlopexError> {
    try {
      const found = await connectTo(host, wanted, this.#address);
      this.#failedMs.delete(host);
      return found;
    } catch (thrown) {
      const problem = asAlopexError(thrown);
      if (!passesOver.has(problem.condition)) throw problem;
      this.#failedMs.set(host, performance.now());
      return problem;
    }
  }
}

const passesOver: ReadonlySet<AlopexError['condition']> = new Set([
  'connection_failure',
  'connection_exception',
  'cannot_connect_now',
  'admin_shutdown',
]);

/** The problem of one that is there, and not what is looked for. */
async function connectTo(
  host: Host,
  wanted: SessionAttributes,
  address: ServerAddress,
): Promise<ServerConnection | AlopexError> {
  const wire = new Wire(await openSocket(host, address));
  const timer = setTimeout(() => wire.destroy(failedConnection(host, 'timed out')), address.connectMsMax);
  try {
    await startUp(wire, address);
    const connection = new ServerConnection(wire);
    const problem = await unwanted(wanted, connection);
    if (problem === null) return connection;
    connection.end();
    return failedConnection(host, `failed: ${problem}`);
  } catch (error) {
    wire.destroy(asAlopexError(error));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function failedConnection({ host, port }: Host, problem: string): AlopexError {
  return new AlopexError('connection_failure', `connection to server at "${host}", port ${port} ${problem}`);
}
