import { AlopexError } from '../../../base/errors.ts';
import type { NodeId } from '../../../base/ids.ts';
import type { Engine } from '../engine.ts';
import { decodeMessage, encodeMessage, type RemoteRequest } from './messages.ts';
import { forgotten } from './remote-session.ts';
import { ServedSession } from './served-session.ts';

/** Sessions of one node that this node has counterparts of. */
const sessionsPerNodeMax = 100_000;
/** That ended before they began: requests may overtake each other on their way. */
const endedPerNodeMax = 1000;

type Sessions = { readonly open: Map<string, ServedSession>; readonly ended: Set<string> };

/**
 * What this node runs for sessions of other nodes. A node answers `sqlRequest` with `answer`, and calls `forget` once
 * another one's link is gone: what its sessions had open is rolled back.
 */
export class RemoteSessions {
  readonly #engine: Engine;
  readonly #byNode = new Map<NodeId, Sessions>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async answer(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { head: request, rest } = decodeMessage<RemoteRequest>(body);
    const sessions = this.#sessionsOf(from);
    if (request.kind === 'cancel' || request.kind === 'end') {
      if (request.kind === 'cancel') sessions.open.get(request.session)?.cancel();
      else await this.#end(sessions, request.session);
      return encodeMessage({ kind: 'done', notices: [], committed: null });
    }
    const session = await this.#session(from, sessions, request);
    return session.answer(request, rest);
  }

  #sessionsOf(node: NodeId): Sessions {
    let sessions = this.#byNode.get(node);
    if (sessions === undefined) {
      sessions = { open: new Map(), ended: new Set() };
      this.#byNode.set(node, sessions);
    }
    return sessions;
  }

  async #session(
    from: NodeId,
    { open, ended }: Sessions,
    { session: id, opens }: RemoteRequest,
  ): Promise<ServedSession> {
    const known = open.get(id);
    if (known !== undefined) return known;
    if (opens === undefined || ended.delete(id)) throw forgotten();
    if (open.size >= sessionsPerNodeMax) {
      throw new AlopexError('too_many_connections', 'sorry, too many clients already');
    }
    const other = counterpart(open, id);
    if (other !== null && serialOf(other) > serialOf(id)) throw forgotten();
    const session = this.#engine.connect({ ...opens, settings: {} });
    session.counterpartOf = from;
    const served = new ServedSession(session);
    open.set(id, served);
    if (other !== null) await this.#close(open, other);
    return served;
  }

  async #end({ open, ended }: Sessions, id: string): Promise<void> {
    if (open.has(id)) return this.#close(open, id);
    ended.add(id);
    const [oldest] = ended;
    if (ended.size > endedPerNodeMax && oldest !== undefined) ended.delete(oldest);
  }

  async #close(open: Map<string, ServedSession>, id: string): Promise<void> {
    const session = open.get(id);
    open.delete(id);
    await session?.close();
  }

  async forget(node: NodeId): Promise<void> {
    const sessions = this.#byNode.get(node);
    if (sessions === undefined) return;
    const open = [...sessions.open.values()];
    sessions.open.clear();
    for (const session of open) await session.close();
  }
}

/** Of the same session: where it is an earlier one, the other node has given it up, and it may hold locks. */
function counterpart(open: ReadonlyMap<string, ServedSession>, id: string): string | null {
  const prefix = id.slice(0, id.lastIndexOf('.') + 1);
  for (const other of open.keys()) if (other.startsWith(prefix)) return other;
  return null;
}

function serialOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('.') + 1));
}
