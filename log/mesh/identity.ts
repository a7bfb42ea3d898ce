import { createPrivateKey, createPublicKey, type X509Certificate } from 'node:crypto';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Env } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import { type Authority, createAuthority, isKeyOf, makeNodeKey, makeRequest, signNode } from './authority.ts';
import {
  keyFingerprint,
  nameOf,
  parseCertificate,
  refused,
  type Verified,
  verifyNode,
} from './certificate.ts';
import { IdentityFiles } from './identity-files.ts';
import { authoritiesMax, decodeTrust, encodeTrust, revocationsMax, type Trust } from './trust.ts';

type Machine = Pick<Env, 'disk' | 'clock' | 'random'>;

/** What a node that joins gets: its certificate (PEM), and the signed text that says whom the cluster believes. */
export type Signed = { readonly certificate: string; readonly authority: string };

/** What `renewed.json` has: who has a certificate of the newest authority. */
type Renewed = { readonly authority: string; readonly nodes: readonly NodeId[] };
const nobody: Renewed = { authority: '', nodes: [] };

type State = {
  readonly self: NodeId;
  readonly certificate: string;
  readonly key: string;
  readonly trust: Trust;
  /** The signed text of `trust`. */
  readonly document: string;
  /** The authorities whose keys are here, in the order of the trust. */
  readonly signers: readonly Authority[];
};

/** Makes a cluster, and its first node, in a data directory: `<directory>/cluster` gets the keys. */
export async function createCluster(machine: Machine, directory: string): Promise<NodeIdentity> {
  const files = new IdentityFiles(machine, directory);
  await files.exclusively(async () => {
    if (await files.read('node.crt'))
      throw new AlopexError('object_not_in_prerequisite_state', `${files.path} has a node's keys already`);
    const cluster = Buffer.from(machine.random.bytes(16)).toString('hex');
    const nowMs = machine.clock.wallMs();
    const authority = await createAuthority(cluster, nowMs);
    const trust: Trust = {
      cluster,
      version: 1,
      authorities: [parseCertificate(authority.certificate)],
      revoked: { nodes: [], serials: [] },
    };
    const key = makeNodeKey();
    const node = nodeId(1);
    const certificate = await signNode(authority, await makeRequest(key), { cluster, node, nowMs });
    await files.write('authority.key', authority.key);
    await files.write('trust.json', encodeTrust(trust, [authority]));
    await files.write('node.key', key);
    // Last: with it, all of the others are there.
    await files.write('node.crt', certificate);
  });
  return (await loadIdentity(machine, directory))!;
}

/** Makes the key of a node that is to join, where there is none yet, and asks for a certificate (PKCS #10, PEM). */
export async function requestIdentity(machine: Machine, directory: string): Promise<string> {
  const files = new IdentityFiles(machine, directory);
  return files.exclusively(async () => {
    const key = (await files.read('node.key')) ?? makeNodeKey();
    await files.write('node.key', key);
    return makeRequest(key);
  });
}

/** Keeps what a joining node was answered. Throws invalid_authorization_specification where it does not fit together. */
export async function storeJoined(
  machine: Machine,
  directory: string,
  joined: Signed & { readonly node: NodeId; readonly cluster: string },
): Promise<NodeIdentity> {
  const files = new IdentityFiles(machine, directory);
  await files.exclusively(async () => {
    const trust = decodeTrust(joined.authority, null);
    const certificate = parseCertificate(joined.certificate);
    const { node } = verifyNode(certificate, trust, machine.clock.wallMs());
    const key = await files.read('node.key');
    if (
      trust.cluster !== joined.cluster ||
      node !== joined.node ||
      key === null ||
      !isKeyOf(key, certificate)
    )
      throw refused('the certificate that was received is not the one that was asked for');
    await files.write('trust.json', joined.authority);
    await files.write('node.crt', joined.certificate);
  });
  return (await loadIdentity(machine, directory))!;
}

/** Null where the directory is of no node of a cluster. Throws data_corrupted. */
export async function loadIdentity(machine: Machine, directory: string): Promise<NodeIdentity | null> {
  const files = new IdentityFiles(machine, directory);
  const state = await readState(files);
  return state === null ? null : new NodeIdentity(machine, files, state);
}

/**
 * Who this node is, in its cluster: its key, the certificate of it, and whom it believes. Changes are on disk before they
 * are seen; another process (`alopex-cli cert`) may make some, which `reload` notices.
 */
export class NodeIdentity {
  readonly #machine: Machine;
  readonly #files: IdentityFiles;
  readonly #listeners = new Set<() => void>();
  #state: State;

  constructor(machine: Machine, files: IdentityFiles, state: State) {
    this.#machine = machine;
    this.#files = files;
    this.#state = state;
  }

  get self(): NodeId {
    return this.#state.self;
  }
  get cluster(): string {
    return this.#state.trust.cluster;
  }
  /** PEM. */
  get certificate(): string {
    return this.#state.certificate;
  }
  /** PEM, PKCS #8. */
  get key(): string {
    return this.#state.key;
  }
  get trust(): Trust {
    return this.#state.trust;
  }
  /** The signed text of `trust`: for `adoptTrust` of another node. */
  get trustDocument(): string {
    return this.#state.document;
  }
  /** Whether it has the key of the cluster's newest authority. */
  get canSign(): boolean {
    return this.#signer !== null;
  }
  /** Whether its certificate is signed by the newest authority; if not, `renew` it before the older one is dropped. */
  get isCurrent(): boolean {
    const newest = this.trust.authorities.at(-1)!;
    return parseCertificate(this.certificate).verify(newest.publicKey);
  }

  /** The fingerprint of the authority that signed its certificate; empty: it is not trusted any more. */
  get signedBy(): string {
    const certificate = parseCertificate(this.certificate);
    const signer = this.trust.authorities.find(({ publicKey }) => certificate.verify(publicKey));
    return signer === undefined ? '' : keyFingerprint(signer.publicKey);
  }

  /** The other nodes of which this one has heard, in the rotation that is under way, that `signedBy` is the new authority. */
  async renewed(): Promise<readonly NodeId[]> {
    const text = await this.#files.read('renewed.json');
    const { authority, nodes } = text === null ? nobody : (JSON.parse(text) as Renewed);
    return authority === this.#newest ? nodes : [];
  }

  /** Another node says by whom its certificate is signed. */
  async noteSignedBy(node: NodeId, authority: string): Promise<void> {
    if (this.trust.authorities.length === 1 || authority !== this.#newest) return;
    if ((await this.renewed()).includes(node)) return;
    await this.#files.exclusively(async () => {
      const renewed: Renewed = { authority, nodes: [...(await this.renewed()), node] };
      await this.#files.write('renewed.json', JSON.stringify(renewed));
    });
  }

  get #newest(): string {
    return keyFingerprint(this.trust.authorities.at(-1)!.publicKey);
  }

  /** `listener` is called after each change. Ends with the answer. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The node that a certificate is of. Throws invalid_authorization_specification: see `verifyNode`. */
  verify(certificate: X509Certificate): Verified {
    return verifyNode(certificate, this.trust, this.#machine.clock.wallMs());
  }

  /** Signs the key of a node that joins, or anew that of one that is there. */
  async signJoin(request: string, node: NodeId): Promise<Signed> {
    const signer = this.requireSigner();
    if (this.trust.revoked.nodes.includes(node)) throw refused(`node ${node} is revoked`);
    const nowMs = this.#machine.clock.wallMs();
    const certificate = await signNode(signer, request, { cluster: this.cluster, node, nowMs });
    return { certificate, authority: this.trustDocument };
  }

  /** Asks for a new certificate of this node's key. */
  makeRequest(): Promise<string> {
    return makeRequest(this.key);
  }

  /** Takes the certificate that a request was answered with. */
  async renew(certificate: string): Promise<void> {
    await this.#change(async () => {
      const parsed = parseCertificate(certificate);
      if (this.verify(parsed).node !== this.self || !isKeyOf(this.key, parsed))
        throw refused('the certificate is not one of this node');
      await this.#files.write('node.crt', certificate);
    });
  }

  /**
   * A second authority beside the first, which signs from now on; nodes believe both until `finishRotation`. This node's own
   * certificate stays for the time being: others have to hear of the new authority from it.
   */
  async rotate(): Promise<void> {
    await this.#change(async () => {
      const signer = this.requireSigner();
      if (this.trust.authorities.length >= authoritiesMax) {
        throw new AlopexError('object_not_in_prerequisite_state', 'a rotation is under way already', {
          hint: 'Finish it first.',
        });
      }
      const authority = await createAuthority(this.cluster, this.#machine.clock.wallMs());
      const signers = [signer, authority];
      // Keys first: a trust whose newest authority nobody has the key of could not be changed any more.
      await this.#files.write('authority.key', signers.map(({ key }) => key).join(''));
      const authorities = [...this.trust.authorities, parseCertificate(authority.certificate)];
      await this.#writeTrust({ authorities }, signers);
    });
  }

  /** Ends the trust in the older authority: nodes whose certificates it signed are refused from now on. */
  async finishRotation(): Promise<void> {
    await this.#change(async () => {
      const signer = this.requireSigner();
      const { authorities } = this.trust;
      if (authorities.length === 1)
        throw new AlopexError('object_not_in_prerequisite_state', 'no rotation is under way');
      if (!this.isCurrent) await this.#signSelf(signer);
      await this.#writeTrust({ authorities: authorities.slice(1) }, this.#state.signers);
      await this.#files.write('authority.key', signer.key);
    });
  }

  /** Nodes for good (no id is given twice), or single certificates by their serial numbers. */
  async revoke(what: {
    readonly nodes?: readonly NodeId[];
    readonly serials?: readonly string[];
  }): Promise<void> {
    await this.#change(async () => {
      this.requireSigner();
      const { revoked } = this.trust;
      const nodes = [...new Set([...revoked.nodes, ...(what.nodes ?? [])])];
      const serials = [
        ...new Set([...revoked.serials, ...(what.serials ?? []).map((each) => each.toLowerCase())]),
      ];
      if (nodes.includes(this.self))
        throw new AlopexError('object_not_in_prerequisite_state', 'a node cannot revoke itself');
      if (nodes.length > revocationsMax || serials.length > revocationsMax)
        throw new AlopexError('program_limit_exceeded', `more than ${revocationsMax} revocations`);
      await this.#writeTrust({ revoked: { nodes, serials } }, this.#state.signers);
    });
  }

  /**
   * Takes over another node's `trustDocument` where it is newer; false where it is not. Throws
   * invalid_authorization_specification for one that no authority has signed that this node believes.
   */
  async adoptTrust(document: string): Promise<boolean> {
    if (document === this.trustDocument) return false;
    return this.#change(async () => {
      const { trust } = this;
      const offered = decodeTrust(document, trust.authorities);
      if (offered.cluster !== trust.cluster) throw refused('the list of authorities is of another cluster');
      if (offered.version < trust.version || document === this.trustDocument) return false;
      if (offered.version > trust.version) {
        await this.#files.write('trust.json', document);
        return true;
      }
      // Two nodes revoked at the same time: one that may sign joins it.
      if (!this.canSign) return false;
      const revoked = {
        nodes: [...new Set([...trust.revoked.nodes, ...offered.revoked.nodes])],
        serials: [...new Set([...trust.revoked.serials, ...offered.revoked.serials])],
      };
      await this.#writeTrust({ revoked }, this.#state.signers);
      return true;
    });
  }

  /** The authority's keys, for another node that is to sign. Only for the authenticated mesh. */
  exportAuthorityKey(): Uint8Array {
    this.requireSigner();
    return stringToUtf8(this.#state.signers.map(({ key }) => key).join(''));
  }

  /** Throws invalid_authorization_specification for what is not the key of the newest authority. */
  async importAuthorityKey(bytes: Uint8Array): Promise<void> {
    await this.#change(async () => {
      const text = utf8ToString(bytes);
      if (!keysIn(text).some((key) => keyFingerprint(createPublicKey(key)) === this.#newest))
        throw refused("this is not the key of the cluster's authority");
      await this.#files.write('authority.key', text);
    });
  }

  /** Reads the files anew. Answers whether something has changed. */
  async reload(): Promise<boolean> {
    const state = await readState(this.#files);
    if (state === null)
      throw new AlopexError('undefined_file', `${this.#files.path} has no node's keys any more`);
    const isSame =
      state.certificate === this.#state.certificate &&
      state.document === this.#state.document &&
      state.signers.length === this.#state.signers.length;
    if (isSame) return false;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
    return true;
  }

  get #signer(): Authority | null {
    const newest = this.trust.authorities.at(-1)!.toString();
    return this.#state.signers.find(({ certificate }) => certificate === newest) ?? null;
  }

  requireSigner(): Authority {
    const signer = this.#signer;
    if (signer !== null) return signer;
    throw new AlopexError(
      'object_not_in_prerequisite_state',
      `node ${this.self} does not have the key of the cluster's authority`,
      { hint: 'The primary of the cluster has it.' },
    );
  }

  async #writeTrust(change: Partial<Trust>, signers: readonly Authority[]): Promise<void> {
    const trust = { ...this.trust, ...change, version: this.trust.version + 1 };
    await this.#files.write('trust.json', encodeTrust(trust, signers));
  }

  async #signSelf(authority: Authority): Promise<void> {
    const request = await makeRequest(this.key);
    const nowMs = this.#machine.clock.wallMs();
    const options = { cluster: this.cluster, node: this.self, nowMs };
    await this.#files.write('node.crt', await signNode(authority, request, options));
  }

  /** One change of the files at a time, of all processes, on what they hold then. */
  #change<Output>(change: () => Promise<Output>): Promise<Output> {
    return this.#files.exclusively(async () => {
      await this.reload();
      const output = await change();
      await this.reload();
      return output;
    });
  }
}

async function readState(files: IdentityFiles): Promise<State | null> {
  const certificate = await files.read('node.crt');
  if (certificate === null) return null;
  const [key, document, authorityKeys] = await Promise.all([
    files.require('node.key'),
    files.require('trust.json'),
    files.read('authority.key'),
  ]);
  try {
    const trust = readable('trust.json', () => decodeTrust(document, null));
    const parsed = readable('node.crt', () => parseCertificate(certificate));
    if (!readable('node.key', () => isKeyOf(key, parsed)))
      throw refused('node.crt is not the certificate of node.key');
    const keys = readable('authority.key', () => keysIn(authorityKeys ?? ''));
    const signers = trust.authorities.flatMap((authority) =>
      keys
        .filter((each) => authority.checkPrivateKey(each))
        .map((each) => ({
          certificate: authority.toString(),
          key: each.export({ format: 'pem', type: 'pkcs8' }) as string,
        })),
    );
    return { self: nameOf(parsed).node, certificate, key, trust, document, signers };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AlopexError('data_corrupted', `the keys in ${files.path} cannot be used: ${reason}`, { cause });
  }
}

/** What is wrong says of which file. */
function readable<Output>(name: string, read: () => Output): Output {
  try {
    return read();
  } catch (cause) {
    throw new AlopexError('data_corrupted', `${name}: ${asAlopexError(cause).message}`, { cause });
  }
}

function keysIn(text: string) {
  const blocks = text.match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g) ?? [];
  return blocks.slice(0, authoritiesMax).map((block) => createPrivateKey(block));
}
