import { AlopexError } from '../../base/errors.ts';
import type { Connector } from './connect.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { SessionAttributes } from './session-attributes.ts';
import { answers } from './socket.ts';
import type { Host } from './url.ts';

/** Between two looks at the connections that wait. */
const lookMs = 250;
/** How long a server may say nothing before it is asked whether it is there, and how long the answer may take. */
const silentMsMax = 500;
const answerMsMax = 500;
/** One that has answered works for long, and is not asked at each look. */
const askedAgainMs = 1_000;
/** The same where any server will do: that there is another one does not show that this one was given up. */
const silentAnyMsMax = 5_000;

/**
 * Looks after the connections of a pool of several hosts. A process that is stopped, or a machine that is cut off, breaks
 * no connection. A server that is silent and does not answer a new connection either is given up once another one is what
 * is looked for: what waits for it ends as where a connection breaks. One that only takes its time does answer.
 */
export class Watch {
  readonly #pool: ConnectionPool;
  readonly #connector: Connector;
  readonly #silentMsMax: number;
  readonly #asked = new Set<Host>();
  #timer: NodeJS.Timeout | null = null;

  constructor(pool: ConnectionPool, connector: Connector, wanted: SessionAttributes) {
    this.#pool = pool;
    this.#connector = connector;
    this.#silentMsMax = wanted === 'read-write' || wanted === 'primary' ? silentMsMax : silentAnyMsMax;
  }

  /** Until no connection is borrowed. */
  begin(): void {
    this.#timer ??= setInterval(() => this.#look(), lookMs).unref();
  }

  #look(): void {
    const { borrowed } = this.#pool;
    if (borrowed.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    for (const { host, silentMs } of borrowed)
      if (silentMs >= this.#silentMsMax && !this.#asked.has(host)) void this.#ask(host);
  }

  async #ask(host: Host): Promise<void> {
    this.#asked.add(host);
    if (await answers(host, answerMsMax)) {
      setTimeout(() => this.#asked.delete(host), askedAgainMs).unref();
      return;
    }
    try {
      const other = await this.#connector.connect(host);
      other.end();
      const { host: name, port } = host;
      const said = `server at "${name}", port ${port} does not answer, and the one at port ${other.host.port} does`;
      this.#pool.drop(
        host,
        new AlopexError('connection_failure', said, {
          detail: 'A statement had been sent: it may have run. It is not sent again.',
        }),
      );
    } catch {
      // No other one will do yet: the next look asks again.
    } finally {
      this.#asked.delete(host);
    }
  }
}
