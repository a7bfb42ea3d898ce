import { ByteReader } from '../../base/bytes/reader.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Connection, Timer } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Session } from '../database/contract.ts';
import type { Frame } from './framer.ts';
import { decodeStartup, protocolViolation, type StartupPacket } from './frontend.ts';
import { Inbox } from './inbox.ts';
import { authenticationMsMax, lingerMsMax } from './limits.ts';
import { Outbox } from './outbox.ts';
import { ScramServer, scramMechanism } from './scram.ts';
import type { PgServer } from './server.ts';
import { SessionProtocol } from './session-protocol.ts';
import { serverTls } from './tls.ts';

type Startup = Extract<StartupPacket, { readonly kind: 'startup' }>;

/**
 * One client's connection: packets in order, one at a time. Whatever goes wrong in it ends at most this
 * connection, with an ErrorResponse where the client can still read one.
 */
export class PgConnection {
  readonly #server: PgServer;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  #connection: Connection;
  #isClosed = false;
  #isTls = false;
  /** Runs while the peer has to take what was written last. */
  #lingering: Timer | null = null;
  #protocol: SessionProtocol | null = null;
  #session: Session | null = null;
  readonly secret: number;

  constructor(server: PgServer, connection: Connection, secret: number) {
    this.#server = server;
    this.#connection = connection;
    this.secret = secret;
    this.#inbox = new Inbox(connection);
    this.#outbox = new Outbox(connection);
    this.#handle(connection);
  }

  get processId(): number | null {
    return this.#session?.id ?? null;
  }

  cancel(): void {
    this.#session?.cancel();
    this.#protocol?.cancel();
  }

  /** Beneath TLS the socket goes on telling; only the layer in use is listened to. */
  #handle(connection: Connection): void {
    const ifInUse = (act: () => void): void => {
      if (connection === this.#connection) act();
    };
    connection.handle({
      onData: (bytes) => ifInUse(() => this.#inbox.push(bytes)),
      onDrain: () => ifInUse(() => this.#outbox.onDrain()),
      onClose: () => ifInUse(() => this.#onClose()),
    });
  }

  /** The life of the connection: handshake, then messages, until either side ends it. Never throws. */
  async serve(): Promise<void> {
    try {
      const session = await this.#handshakeInTime();
      if (session === null) return this.#close();
      this.#protocol = new SessionProtocol(session, this.#inbox, this.#outbox, this.#server.clock);
      await this.#protocol.run();
      this.#close();
    } catch (error) {
      this.#fatal(asAlopexError(error));
    }
  }

  async #handshakeInTime(): Promise<Session | null> {
    const timer = this.#server.clock.setTimer(authenticationMsMax, () =>
      this.#fatal(protocolViolation('canceling authentication due to timeout')),
    );
    try {
      const startup = await this.#startup();
      if (startup === null) return null;
      this.#inbox.phase = 'unauthenticated';
      const isAuthenticated = await this.#authenticate(startup);
      return isAuthenticated ? this.#welcome(startup) : null;
    } finally {
      timer.cancel();
    }
  }

  /** The next packet, when it is there; null: the connection is closed. */
  async #next(): Promise<Frame | null> {
    for (;;) {
      const frame = this.#inbox.next();
      if (frame !== null || this.#isClosed) return frame;
      this.#outbox.flush();
      await this.#inbox.arrival();
    }
  }

  // ---- startup

  /** The startup packet, after what may come before it; null where none comes. */
  async #startup(): Promise<Startup | null> {
    const asked = new Set<StartupPacket['kind']>();
    for (;;) {
      const frame = await this.#next();
      if (frame?.kind !== 'startup') return null;
      const packet = decodeStartup(frame.body);
      if (packet.kind === 'startup') return packet;
      if (packet.kind === 'cancel-request') {
        this.#server.cancel(packet.processId, packet.secret);
        return null;
      }
      if (asked.has(packet.kind)) throw protocolViolation('encryption is negotiated once');
      asked.add(packet.kind);
      if (packet.kind === 'ssl-request') this.#onSslRequest();
      else this.#reply('N');
    }
  }

  #reply(letter: string): void {
    this.#connection.write(stringToUtf8(letter));
  }

  #onSslRequest(): void {
    const context = this.#server.tls;
    if (context === null) {
      this.#reply('N');
      return;
    }
    if (this.#inbox.pendingBytes > 0) throw protocolViolation('received unencrypted data after SSL request');
    this.#reply('S');
    this.#isTls = true;
    this.#connection = serverTls(this.#connection, context);
    this.#inbox.use(this.#connection);
    this.#outbox.use(this.#connection);
    this.#handle(this.#connection);
  }

  /** Lets the user in, or throws; false: the client went away. */
  async #authenticate(startup: Startup): Promise<boolean> {
    const { writer } = this.#outbox;
    const { parameters, minorVersion } = startup;
    const options = Object.keys(parameters).filter((name) => name.startsWith('_pq_.'));
    if (minorVersion > 0 || options.length > 0) writer.negotiateProtocolVersion(options);
    const user = parameters.user ?? '';
    if (user === '') {
      throw refused('no PostgreSQL user name specified in startup packet');
    }
    if (parameters.replication !== undefined && parameters.replication !== 'false') {
      throw new AlopexError('feature_not_supported', 'the replication protocol is not supported yet');
    }
    const { remote } = this.#connection;
    if (this.#server.requiresTls(remote) && !this.#isTls) {
      throw refused('the server takes only TLS connections from this address');
    }
    return this.#server.requiresPassword(remote) ? this.#scram(user) : true;
  }

  async #scram(user: string): Promise<boolean> {
    const { writer } = this.#outbox;
    const scram = new ScramServer(user, this.#server.host.passwordVerifier(user), this.#server.mockSecret);
    writer.saslMechanisms([scramMechanism]);
    const first = await this.#passwordMessage();
    if (first === null) return false;
    writer.authentication(11, stringToUtf8(scram.first(initialResponse(first))));
    const final = await this.#passwordMessage();
    if (final === null) return false;
    writer.authentication(12, stringToUtf8(scram.final(utf8ToString(final))));
    return true;
  }

  async #passwordMessage(): Promise<Uint8Array | null> {
    const frame = await this.#next();
    if (frame?.kind !== 'message' || frame.message === 'terminate') return null;
    if (frame.message === 'password') return frame.body.raw(frame.body.remaining);
    throw protocolViolation(`expected password response, got message of kind ${frame.message}`);
  }

  /** Authenticated: the session begins. */
  #welcome({ parameters }: Startup): Session {
    const user = parameters.user!;
    if (!this.#server.host.mayLogIn(user)) throw refused(`role "${user}" is not permitted to log in`);
    const session = this.#server.host.connect({
      user,
      database: parameters.database ?? user,
      settings: startupSettings(parameters),
      clientAddress: this.#connection.remote.host,
    });
    this.#session = session;
    this.#inbox.phase = 'authenticated';
    const { writer } = this.#outbox;
    session.onSettingReported = (name, value) => writer.parameterStatus(name, value);
    session.onNotice = ({ severity, error }) => writer.notice(error, severity);
    session.onTimedOut = (error) => this.#fatal(error);
    writer.authentication(0);
    for (const name of this.#server.reportedSettings) writer.parameterStatus(name, session.getSetting(name));
    writer.backendKeyData(session.id, this.secret);
    writer.readyForQuery('idle');
    session.startIdling();
    return session;
  }

  // ---- the end

  #fatal(error: AlopexError): void {
    if (this.#isClosed) return;
    this.#outbox.writer.error(error, 'FATAL');
    this.#close();
  }

  /** Nothing is under way: what the client sends from now on has not been begun. */
  get isReady(): boolean {
    return this.#protocol === null || (this.#protocol.isReady && this.#inbox.pendingBytes === 0);
  }

  /** Nor is a transaction open. */
  get isIdle(): boolean {
    return this.isReady && (this.#session === null || this.#session.status === 'idle');
  }

  /** The server stops: a statement that runs is to end with 57P01. */
  interrupt(): void {
    this.#session?.cancel(shuttingDown());
  }

  /**
   * The server stops. 57P01 says that nothing is done of what the client asked for last and has no answer to; where something
   * is under way, which may be a commit, it is told nothing.
   */
  shutDown(): void {
    if (this.isReady) this.#fatal(shuttingDown());
    else {
      this.#connection.destroy();
      this.#dispose();
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#outbox.flush();
    this.#lingering = this.#server.clock.setTimer(lingerMsMax, () => this.#connection.destroy());
    this.#connection.end();
    this.#dispose();
  }

  #onClose(): void {
    this.#lingering?.cancel();
    this.#dispose();
  }

  #dispose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox.close();
    this.#outbox.close();
    this.#session?.close().catch((error: unknown) => this.#server.onProblem(asAlopexError(error)));
    this.#server.forget(this);
  }
}

function shuttingDown(): AlopexError {
  return new AlopexError('admin_shutdown', 'terminating connection due to administrator command');
}

function refused(message: string): AlopexError {
  return new AlopexError('invalid_authorization_specification', message);
}

/** SASLInitialResponse: mechanism, length, data. */
function initialResponse(body: Uint8Array): string {
  const end = body.indexOf(0);
  if (end < 0) throw protocolViolation('malformed SASL message');
  const mechanism = utf8ToString(body, 0, end);
  if (mechanism !== scramMechanism)
    throw protocolViolation('client selected an invalid SASL authentication mechanism');
  const reader = new ByteReader(body, end + 1);
  if (reader.remaining < 4) throw protocolViolation('malformed SASL message');
  const length = reader.int32();
  if (length !== reader.remaining) throw protocolViolation('malformed SASL message');
  return reader.utf8(length);
}

/** Startup parameters that are settings; `options` brings more of them (`-c name=value`). */
function startupSettings(parameters: Readonly<Record<string, string>>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (!['user', 'database', 'replication', 'options'].includes(name) && !name.startsWith('_pq_.'))
      settings[name] = value;
  }
  const options = parameters.options ?? '';
  for (const match of options.matchAll(/(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)/g)) {
    settings[match[1]!.replaceAll('-', '_')] = match[2]!.replaceAll(/\\(.)/g, '$1');
  }
  return settings;
}
