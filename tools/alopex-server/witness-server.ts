import { WitnessNode, type WitnessOptions } from '../../api/cluster/witness.ts';
import { AlopexError } from '../../base/errors.ts';
import { Keys } from './keys.ts';
import type { ServerOptions } from './options.ts';

/** A server that votes, and has no rows: nobody connects to it but its cluster. */
export class WitnessServer {
  readonly #witness: WitnessNode;
  /** host:port */
  readonly mesh: string;

  private constructor(witness: WitnessNode, mesh: string) {
    this.#witness = witness;
    this.mesh = mesh;
  }

  static async start(
    options: ServerOptions,
    database: Omit<WitnessOptions, 'cluster'>,
  ): Promise<WitnessServer> {
    const { env, path, onProblem } = database;
    const keys = await Keys.open(env, path, options, onProblem);
    await keys.joinWhereAsked();
    const cluster = keys.clusterOptions;
    if (cluster === null || keys.record === null)
      throw new AlopexError('config_file_error', 'a witness joins a cluster: --primary names a server of it');
    return new WitnessServer(await WitnessNode.open({ ...database, cluster }), keys.record.mesh);
  }

  stop(): Promise<void> {
    return this.#witness.close();
  }
}
