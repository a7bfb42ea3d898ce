import { AlopexError } from '../../../base/errors.ts';
import type { NodeId } from '../../../base/ids.ts';
import type { Engine } from '../engine.ts';
import { decodeMessage, encodeMessage, type RemoteRequest } from './messages.ts';
import { forgotten } from './remote-session.ts';
import { ServedSession } from './served-session.ts';

/** Sessions of one node that this node has counterparts of. */
const sessionsPerNodeMax = 100_000;

/**
 * What this node runs for sessions of other nodes. A node answers `sqlRequest` with `answer`, and calls `forget` once
 * another one's link is gone: what its sessions had open is rolled back.
 */
export class RemoteSessions {
  readonly #engine: Engine;
  readonly #byNode = new Map<NodeId, Map<string, ServedSession>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async answer(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { head: request, rest } = decodeMessage<RemoteRequest>(body);
    const sessions = this.#sessionsOf(from);
    if (request.kind === 'cancel' || request.kind === 'end') {
      const session = sessions.get(request.session);
      if (request.kind === 'cancel') session?.cancel();
      else if (session !== undefined) await this.#end(sessions, request.session, session);
      return encodeMessage({ kind: 'done', notices: [], committed: null });
    }
    const session = await this.#session(from, sessions, request);
    return session.answer(request, rest);
  }

  #sessionsOf(node: NodeId): Map<string, ServedSession> {
    let sessions = this.#byNode.get(node);
    if (sessions === undefined) {
      sessions = new Map();
      this.#byNode.set(node, sessions);
    }
    return sessions;
  }

  async #session(
    from: NodeId,
    sessions: Map<string, ServedSession>,
    { session: id, opens }: RemoteRequest,
  ): Promise<ServedSession> {
    const known = sessions.get(id);
    if (known !== undefined) return known;
    if (opens === undefined) throw forgotten();
    if (sessions.size >= sessionsPerNodeMax) {
      throw new AlopexError('too_many_connections', 'sorry, too many clients already');
    }
    const session = this.#engine.connect({ ...opens, settings: {} });
    session.counterpartOf = from;
    const served = new ServedSession(session);
    const before = predecessor(sessions, id);
    sessions.set(id, served);
    if (before !== null) await this.#end(sessions, ...before);
    return served;
  }

  async #end(sessions: Map<string, ServedSession>, id: string, session: ServedSession): Promise<void> {
    sessions.delete(id);
    await session.close();
  }

  async forget(node: NodeId): Promise<void> {
    const sessions = this.#byNode.get(node);
    this.#byNode.delete(node);
    if (sessions === undefined) return;
    for (const session of sessions.values()) await session.close();
  }
}

/** A counterpart of the same session that the other node has given up: it may hold locks. */
function predecessor(
  sessions: ReadonlyMap<string, ServedSession>,
  id: string,
): readonly [string, ServedSession] | null {
  const prefix = id.slice(0, id.indexOf('.') + 1);
  for (const entry of sessions) if (entry[0].startsWith(prefix)) return entry;
  return null;
}
