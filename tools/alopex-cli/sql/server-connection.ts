import type { Socket } from 'node:net';
import { serialize } from 'pg-protocol';
import type { BackendKeyDataMessage } from 'pg-protocol/dist/messages.js';
import { Connector } from '../../../api/remote/connect.ts';
import type { SessionAttributes } from '../../../api/remote/session-attributes.ts';
import { openSocket } from '../../../api/remote/socket.ts';
import { startUp } from '../../../api/remote/startup.ts';
import { type Host, parseServerUrl, type ServerAddress } from '../../../api/remote/url.ts';
import { type Exchange, Wire } from '../../../api/remote/wire.ts';
import { AlopexError, asAlopexError, unsupported } from '../../../base/errors.ts';
import type { ResultHandler, ShellConnection, ShellNotice } from './connection.ts';
import { ServerAnswer } from './server-answer.ts';

/**
 * Connects to the server of a postgresql:// address; of several, to the first that is what `target_session_attrs` asks for, and
 * stays there. `wanted`: what is asked for where the address says nothing.
 */
export async function openServer(url: string, wanted: SessionAttributes = 'any'): Promise<ShellConnection> {
  const parsed = parseServerUrl(url);
  const isOne = parsed.hosts.length === 1 && parsed.sessionAttributes === 'any';
  const address = {
    ...parsed,
    hosts: isOne ? parsed.hosts : [await hostAmong(parsed, wanted)],
    settings: { application_name: 'alopex-cli', ...parsed.settings },
  };
  const socket = await openSocket(address.hosts[0]!, address);
  const wire = new KeyedWire(socket);
  const timer = setTimeout(
    () => wire.destroy(new AlopexError('connection_failure', `connection to ${placeOf(address)} timed out`)),
    address.connectMsMax,
  );
  try {
    await startUp(wire, address);
    return new ServerConnection(wire, socket, address);
  } catch (error) {
    wire.destroy(asAlopexError(error));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function hostAmong(address: ServerAddress, wanted: SessionAttributes): Promise<Host> {
  const { sessionAttributes } = address;
  const found = await new Connector({
    ...address,
    sessionAttributes: sessionAttributes === 'any' ? wanted : sessionAttributes,
  }).connect();
  found.end();
  return found.host;
}

function placeOf({ hosts }: ServerAddress): string {
  const { host, port } = hosts[0]!;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Keeps what a CancelRequest names this connection by. */
class KeyedWire extends Wire {
  key: BackendKeyDataMessage | null = null;

  override exchange(exchange: Exchange): Promise<void> {
    return super.exchange({
      ...exchange,
      onMessage: (message) => {
        if (message.name === 'backendKeyData') this.key = message as BackendKeyDataMessage;
        exchange.onMessage(message);
      },
    });
  }
}

class ServerConnection implements ShellConnection {
  readonly user: string;
  readonly database: string;
  readonly place: string;
  onNotice: (notice: ShellNotice) => void = () => {};
  readonly #wire: KeyedWire;
  readonly #socket: Socket;
  readonly #address: ServerAddress;
  #answer: ServerAnswer | null = null;
  #cancelling: Promise<unknown> = Promise.resolve();

  constructor(wire: KeyedWire, socket: Socket, address: ServerAddress) {
    this.user = address.user;
    this.database = address.database;
    this.place = placeOf(address);
    this.#wire = wire;
    this.#socket = socket;
    this.#address = address;
  }

  get status(): 'idle' | 'transaction' | 'failed' {
    const { status } = this.#wire;
    return status === 'E' ? 'failed' : status === 'T' ? 'transaction' : 'idle';
  }

  async run(sql: string, handler: ResultHandler): Promise<void> {
    if (this.#answer !== null) {
      throw new AlopexError('object_in_use', 'the connection is running another statement');
    }
    if (sql.includes('\0')) {
      throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8": 0x00');
    }
    const answer = new ServerAnswer(this.#socket, handler, {
      onNotice: (notice) => this.onNotice(notice),
      onHandlerFailed: () => this.cancel(),
    });
    this.#answer = answer;
    try {
      const exchanged = this.#wire.exchange({
        bytes: serialize.query(sql),
        onMessage: (message) => answer.onMessage(message),
      });
      await answer.end(exchanged);
    } finally {
      // A cancel that is still on its way would hit the next statement.
      await this.#cancelling;
      this.#answer = null;
    }
  }

  cancel(): void {
    if (this.#answer === null) return;
    this.#answer.isCancelled = true;
    const requested = this.#requestCancel().catch((error: unknown) => {
      const { message } = asAlopexError(error);
      this.onNotice({
        severity: 'WARNING',
        message: `could not send cancel request: ${message}`,
        detail: null,
        hint: null,
      });
    });
    this.#cancelling = Promise.all([this.#cancelling, requested]);
  }

  /** On a connection of its own, which the server closes when it has done it. */
  async #requestCancel(): Promise<void> {
    const { key } = this.#wire;
    if (key === null) throw unsupported('cancelling a statement of this server');
    const socket = await openSocket(this.#address.hosts[0]!, this.#address);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => resolve());
      socket.setTimeout(this.#address.connectMsMax, () => socket.destroy());
      socket.end(serialize.cancel(key.processID, key.secretKey));
      socket.resume();
    });
  }

  async close(): Promise<void> {
    this.#wire.end(serialize.end());
  }
}
