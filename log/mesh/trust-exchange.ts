import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Clock, Timer } from '../../base/env/env.ts';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { NodeIdentity } from './identity.ts';

/** Names of requests: see `answerTrust` and `answerRenewal`. */
export const trustRequest = 'keys.trust';
export const renewalRequest = 'keys.renew';

const exchangeMs = 5_000;

/** What nodes tell each other: the signed text of whom they believe, and the authority that signed their certificate. */
type Said = { readonly document: string; readonly signedBy: string };

export type TrustExchangeOptions = {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly ask: (to: NodeId, name: string, body: Uint8Array) => Promise<Uint8Array>;
  /** The other nodes of the cluster. */
  readonly peers: () => readonly NodeId[];
  readonly onProblem: (problem: AlopexError) => void;
};

/**
 * Brings what one node has revoked or rotated to all of them: every few seconds each tells each other one whom it believes,
 * and the newer one is taken over. Once all nodes have heard of a new authority, each gets its certificate from that: one that
 * had not would refuse it. Changes that another process makes to the files (`alopex-cli cert`) are noticed too.
 */
export class TrustExchange {
  readonly #options: TrustExchangeOptions;
  #timer: Timer | null = null;
  #lastProblem = '';
  #isClosed = false;

  constructor(options: TrustExchangeOptions) {
    this.#options = options;
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Takes over what another node believes, where it is newer; answers with what this one believes then. */
  async answerTrust(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    await this.#hear(from, body);
    return this.#said;
  }

  get #said(): Uint8Array {
    const { trustDocument: document, signedBy } = this.#options.identity;
    const said: Said = { document, signedBy };
    return stringToUtf8(JSON.stringify(said));
  }

  /** Returns what it believes. */
  async #hear(from: NodeId, body: Uint8Array): Promise<string> {
    const { identity } = this.#options;
    const { document, signedBy } = JSON.parse(utf8ToString(body)) as Said;
    await identity.adoptTrust(document);
    await identity.noteSignedBy(from, signedBy);
    return document;
  }

  /** Signs the key of a node anew. */
  async answerRenewal(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { certificate } = await this.#options.identity.signJoin(utf8ToString(body), from);
    return stringToUtf8(certificate);
  }

  /** One round of it; never rejects. */
  async exchange(): Promise<void> {
    const { identity, peers } = this.#options;
    try {
      await identity.reload();
      const heard = await Promise.all(peers().map((peer) => this.#exchangeWith(peer)));
      if (!identity.isCurrent && heard.every(Boolean)) await this.#renew();
      this.#lastProblem = '';
    } catch (thrown) {
      this.#report(asAlopexError(thrown));
    }
  }

  /** Whether both believe the same now. A node that is down hears of it when it is back. */
  async #exchangeWith(peer: NodeId): Promise<boolean> {
    const { identity, ask } = this.#options;
    let answer: Uint8Array;
    try {
      answer = await ask(peer, trustRequest, this.#said);
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (error.condition !== 'connection_failure') throw error;
      return false;
    }
    return (await this.#hear(peer, answer)) === identity.trustDocument;
  }

  async #renew(): Promise<void> {
    const { identity, ask, peers } = this.#options;
    const request = await identity.makeRequest();
    if (identity.canSign) {
      await identity.renew((await identity.signJoin(request, identity.self)).certificate);
      return;
    }
    for (const peer of peers()) {
      const answer = await ask(peer, renewalRequest, stringToUtf8(request)).catch(() => null);
      if (answer === null) continue;
      await identity.renew(utf8ToString(answer));
      return;
    }
  }

  /** The same problem again and again is told once. */
  #report(problem: AlopexError): void {
    if (problem.message === this.#lastProblem) return;
    this.#lastProblem = problem.message;
    this.#options.onProblem(problem);
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(exchangeMs, () => {
      void this.exchange().then(() => {
        if (!this.#isClosed) this.#schedule();
      });
    });
  }
}
