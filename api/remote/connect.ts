import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { ServerConnection } from './connection.ts';
import { type SessionAttributes, unwanted } from './session-attributes.ts';
import { openSocket } from './socket.ts';
import { startUp } from './startup.ts';
import type { Host, ServerAddress } from './url.ts';
import { Wire } from './wire.ts';

/** A host that could not be reached is tried after the others for so long: one whose machine is gone takes its time. */
const avoidedMs = 30_000;
/** A host that has not answered by then has the next one tried beside it (RFC 8305 does so with addresses). */
const lateMs = 500;

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
   * One that is late has the next one tried beside it. `except`: another host is wanted.
   */
  async connect(except: Host | null = null): Promise<ServerConnection> {
    const problems: AlopexError[] = [];
    for (const wanted of this.#wishes()) {
      const found = await this.#search(wanted, except, problems);
      if (found !== null) return found;
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

  async #search(
    wanted: SessionAttributes,
    except: Host | null,
    problems: AlopexError[],
  ): Promise<ServerConnection | null> {
    const waiting = this.#inOrder().filter((host) => host !== except);
    const attempts = new Set<Attempt>();
    try {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) attempts.add(this.#attempt(next, wanted));
        if (attempts.size === 0) return null;
        const first = await firstOf(attempts, waiting.length > 0 ? lateMs : null);
        if (first === null) continue;
        attempts.delete(first.attempt);
        if (first.found instanceof ServerConnection) return first.found;
        problems.push(first.found);
      }
    } finally {
      for (const attempt of attempts) this.#giveUp(attempt);
    }
  }

  /** A machine that is gone, or a process that stands still: the next connection does not begin with it. */
  #giveUp({ host, abort, tried }: Attempt): void {
    this.#failedMs.set(host, performance.now());
    abort.abort();
    tried.then(
      ({ found }) => {
        if (found instanceof ServerConnection) found.end();
      },
      () => {},
    );
  }

  #inOrder(): readonly Host[] {
    const sinceMs = performance.now() - avoidedMs;
    const isAvoided = (host: Host): boolean => (this.#failedMs.get(host) ?? -avoidedMs) > sinceMs;
    return this.#address.hosts.toSorted((a, b) => Number(isAvoided(a)) - Number(isAvoided(b)));
  }

  #attempt(host: Host, wanted: SessionAttributes): Attempt {
    const abort = new AbortController();
    const tried = this.#tryHost(host, wanted, abort.signal).then((found) => ({ attempt, found }));
    const attempt: Attempt = { host, abort, tried };
    return attempt;
  }

  async #tryHost(
    host: Host,
    wanted: SessionAttributes,
    signal: AbortSignal,
  ): Promise<ServerConnection | AlopexError> {
    try {
      const found = await connectTo(host, wanted, this.#address, signal);
      if (!signal.aborted) this.#failedMs.delete(host);
      return found;
    } catch (thrown) {
      const problem = asAlopexError(thrown);
      if (!passesOver.has(problem.condition)) throw problem;
      this.#failedMs.set(host, performance.now());
      return problem;
    }
  }
}

/** A connection that is being made. */
type Attempt = { readonly host: Host; readonly abort: AbortController; readonly tried: Promise<Tried> };
type Tried = { readonly attempt: Attempt; readonly found: ServerConnection | AlopexError };

/** Null: none has ended by then. */
async function firstOf(attempts: ReadonlySet<Attempt>, waitMs: number | null): Promise<Tried | null> {
  const tried = [...attempts].map((attempt) => attempt.tried);
  if (waitMs === null) return Promise.race(tried);
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), waitMs);
  try {
    return await Promise.race([...tried, late]);
  } finally {
    clearTimeout(timer);
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
  signal: AbortSignal,
): Promise<ServerConnection | AlopexError> {
  const wire = new Wire(await openSocket(host, address, signal));
  const timer = setTimeout(() => wire.destroy(failedConnection(host, 'timed out')), address.connectMsMax);
  try {
    await startUp(wire, address);
    const connection = new ServerConnection(host, wire);
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
