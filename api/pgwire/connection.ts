import { ByteReader } from '../../base/bytes/reader.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Connection, Timer } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Session } from '../database/contract.ts';
import { Framer } from './framer.ts';
import {
  decodeMessage,
  decodeStartup,
  type FrontendMessage,
  protocolViolation,
  type StartupPacket,
} from './frontend.ts';
import { authenticationMsMax, receivedBytesMax } from './limits.ts';
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
  readonly #framer = new Framer();
  readonly #outbox: Outbox;
  #connection: Connection;
  #isBusy = false;
  #isClosed = false;
  #isPaused = false;
  #isTls = false;
  #startup: Startup | null = null;
  #scram: { readonly server: ScramServer; step: 'first' | 'final' } | null = null;
  #session: Session | null = null;
  #protocol: SessionProtocol | null = null;
  readonly secret: number;
  #authenticationTimer: Timer | null;

  constructor(server: PgServer, connection: Connection, secret: number) {
    this.#server = server;
    this.#connection = connection;
    this.secret = secret;
    this.#outbox = new Outbox(connection);
    this.#authenticationTimer = server.clock.setTimer(authenticationMsMax, () =>
      this.#fatal(new AlopexError('protocol_violation', 'canceling authentication due to timeout')),
    );
    this.#handle(connection);
  }

  get processId(): number | null {
    return this.#session?.id ?? null;
  }

  cancel(): void {
    this.#session?.cancel();
  }

  #handle(connection: Connection): void {
    connection.handle({
      onData: (bytes) => this.#receive(bytes),
      onDrain: () => this.#outbox.onDrain(),
      onClose: () => this.#onClose(connection),
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#framer.push(bytes);
    if (!this.#isBusy) void this.#pump();
    if (this.#isBusy && !this.#isPaused && this.#framer.pendingBytes > receivedBytesMax) {
      this.#isPaused = true;
      this.#connection.pause();
    }
  }

  /** Handles packets until none is whole. Answers go out when nothing more is there to handle. */
  async #pump(): Promise<void> {
    this.#isBusy = true;
    try {
      while (!this.#isClosed) {
        const frame = this.#framer.next();
        if (frame === null) {
          if (!this.#isPaused) break;
          this.#isPaused = false;
          this.#connection.resume();
          break;
        }
        const handled =
          frame.kind === 'startup'
            ? this.#onStartup(decodeStartup(frame.body))
            : this.#onMessage(frame.message, frame.body);
        if (handled instanceof Promise) await handled;
      }
      if (!this.#isClosed) this.#outbox.flush();
    } catch (error) {
      this.#fatal(asAlopexError(error));
    } finally {
      this.#isBusy = false;
    }
  }

  #onMessage(kind: FrontendMessage['kind'], body: Uint8Array): void | Promise<void> {
    if (kind === 'terminate') return this.#close();
    if (this.#protocol !== null) {
      if (kind === 'password') throw protocolViolation('a password was not asked for');
      return this.#protocol.handle(kind, body);
    }
    if (kind !== 'password')
      throw protocolViolation(`expected password response, got message of kind ${kind}`);
    const message = decodeMessage(kind, body);
    if (message.kind === 'password') this.#onScram(message.body);
  }

  // ---- startup

  #onStartup(packet: StartupPacket): void {
    switch (packet.kind) {
      case 'gss-request':
        this.#reply('N');
        return;
      case 'ssl-request':
        this.#onSslRequest();
        return;
      case 'cancel-request':
        this.#server.cancel(packet.processId, packet.secret);
        this.#close();
        return;
      case 'startup':
        this.#authenticate(packet);
    }
  }

  #reply(letter: string): void {
    this.#connection.write(stringToUtf8(letter));
  }

  #onSslRequest(): void {
    const context = this.#server.tls;
    if (context === null || this.#isTls) {
      this.#reply('N');
      return;
    }
    if (this.#framer.pendingBytes > 0) throw protocolViolation('received unencrypted data after SSL request');
    this.#reply('S');
    this.#isTls = true;
    this.#connection = serverTls(this.#connection, context);
    this.#outbox.use(this.#connection);
    this.#handle(this.#connection);
  }

  #authenticate(startup: Startup): void {
    this.#startup = startup;
    this.#framer.phase = 'unauthenticated';
    const { writer } = this.#outbox;
    const options = Object.keys(startup.parameters).filter((name) => name.startsWith('_pq_.'));
    if (startup.minorVersion > 0 || options.length > 0) writer.negotiateProtocolVersion(0, options);
    const user = startup.parameters.user ?? '';
    if (user === '') {
      throw new AlopexError(
        'invalid_authorization_specification',
        'no PostgreSQL user name specified in startup packet',
      );
    }
    if (startup.parameters.replication !== undefined && startup.parameters.replication !== 'false') {
      throw new AlopexError('feature_not_supported', 'the replication protocol is not supported yet');
    }
    if (this.#server.requiresTls(this.#connection.remote) && !this.#isTls) {
      throw new AlopexError(
        'invalid_authorization_specification',
        'the server takes only TLS connections from this address',
      );
    }
    if (!this.#server.requiresPassword(this.#connection.remote)) {
      this.#welcome();
      return;
    }
    const verifier = this.#server.host.passwordVerifier(user);
    this.#scram = { server: new ScramServer(user, verifier, this.#server.mockSecret), step: 'first' };
    writer.saslMechanisms([scramMechanism]);
  }

  #onScram(body: Uint8Array): void {
    const scram = this.#scram;
    if (scram === null) throw protocolViolation('a password was not asked for');
    const { writer } = this.#outbox;
    if (scram.step === 'first') {
      scram.step = 'final';
      writer.authentication(11, stringToUtf8(scram.server.first(initialResponse(body))));
      return;
    }
    writer.authentication(12, stringToUtf8(scram.server.final(utf8ToString(body))));
    this.#scram = null;
    this.#welcome();
  }

  /** Authenticated: the session begins. */
  #welcome(): void {
    const { parameters } = this.#startup!;
    const user = parameters.user!;
    const session = this.#server.host.connect({
      user,
      database: parameters.database ?? user,
      settings: startupSettings(parameters),
      clientAddress: this.#connection.remote.host,
    });
    this.#session = session;
    this.#authenticationTimer?.cancel();
    this.#authenticationTimer = null;
    this.#framer.phase = 'authenticated';
    const { writer } = this.#outbox;
    session.onSettingReported = (name, value) => writer.parameterStatus(name, value);
    session.onNotice = ({ severity, error }) => writer.notice(error, severity);
    session.onTimedOut = (error) => this.#fatal(error);
    writer.authentication(0);
    for (const name of this.#server.reportedSettings) writer.parameterStatus(name, session.getSetting(name));
    writer.backendKeyData(session.id, this.secret);
    writer.readyForQuery('idle');
    this.#protocol = new SessionProtocol(session, this.#outbox);
  }

  // ---- the end

  #fatal(error: AlopexError): void {
    if (this.#isClosed) return;
    this.#outbox.writer.error(error, 'FATAL');
    this.#close();
  }

  /** The server stops: 57P01 to an idle client; a running statement is cancelled first. */
  shutDown(): void {
    this.#fatal(new AlopexError('admin_shutdown', 'terminating connection due to administrator command'));
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#outbox.flush();
    this.#connection.end();
    this.#dispose();
  }

  #onClose(connection: Connection): void {
    if (connection === this.#connection) this.#dispose();
  }

  #dispose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#authenticationTimer?.cancel();
    this.#outbox.onClose();
    this.#protocol?.close();
    this.#session?.close().catch((error: unknown) => this.#server.onProblem(asAlopexError(error)));
    this.#server.forget(this);
  }
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
