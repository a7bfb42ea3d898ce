import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../base/env/env.ts';
import { realEnv } from '../../base/env/real/env.ts';
import { nodeId } from '../../base/ids.ts';
import { createCluster, type NodeIdentity, requestIdentity, storeJoined } from './identity.ts';

/** Data directories of nodes with their keys, for a test's time. */
export class KeyRing {
  readonly env: Env;
  readonly #path: string;

  private constructor(env: Env, path: string) {
    this.env = env;
    this.#path = path;
  }

  static async open(): Promise<KeyRing> {
    return new KeyRing(realEnv(), await mkdtemp(join(tmpdir(), 'alopex-keys-')));
  }

  directory(name: string): string {
    return `${this.#path}/${name}`;
  }

  create(name: string): Promise<NodeIdentity> {
    return createCluster(this.env, this.directory(name));
  }

  async join(signer: NodeIdentity, node: number): Promise<NodeIdentity> {
    const directory = this.directory(`${signer.cluster}-${node}`);
    const request = await requestIdentity(this.env, directory);
    const signed = await signer.signJoin(request, nodeId(node));
    return storeJoined(this.env, directory, { ...signed, node: nodeId(node), cluster: signer.cluster });
  }

  close(): Promise<void> {
    return rm(this.#path, { recursive: true });
  }
}
