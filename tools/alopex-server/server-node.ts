import type { Logger } from 'pino';
import { NodeAdmin } from '../../api/cluster/admin.ts';
import { DatabaseNode, type NodeOptions } from '../../api/cluster/node.ts';
import { asAlopexError } from '../../base/errors.ts';
import { ClusterNews } from './cluster-news.ts';
import { authorityRequest, Keys } from './keys.ts';
import type { ServerOptions } from './options.ts';

/** How long a stop waits for another node to take the lead over. */
const handOverMs = 10_000;

/** A server's node: a database alone until another node joins it, or one of a cluster's. */
export class ServerNode {
  readonly node: DatabaseNode;
  readonly admin: NodeAdmin;
  readonly #keys: Keys;
  /** Resolves once it is written down what has been found damaged. */
  noted: Promise<void> = Promise.resolve();

  private constructor(node: DatabaseNode, admin: NodeAdmin, keys: Keys) {
    this.node = node;
    this.admin = admin;
    this.#keys = keys;
  }

  /** Joins the cluster that the options name, where the directory is of none yet. */
  static async open(
    options: ServerOptions,
    database: Omit<NodeOptions, 'cluster' | 'onNews'>,
    log: Pick<Logger, 'info'>,
  ): Promise<ServerNode> {
    const { env, path, onProblem } = database;
    const { mode } = options.cluster;
    const keys = await Keys.open(env, path, options, onProblem);
    await keys.joinWhereAsked();
    const node = await openNode({ ...database, onNews: (news) => log.info(news) }, keys);
    const clusterNews = new ClusterNews(log);
    const makeCluster = async (): Promise<void> => {
      await keys.create();
      await node.found(keys.clusterOptions!, { members: [keys.asFirstMember], outgoing: [], forced: [] });
    };
    let founding: Promise<void> | null = null;
    // Several replicas may come to a server that was alone at once: one cluster is made for them.
    const found = async (): Promise<void> => {
      if (node.self !== null && founding === null) return;
      founding ??= makeCluster().finally(() => {
        founding = null;
      });
      await founding;
    };
    const admin = new NodeAdmin(
      node,
      {
        found,
        check: (request, transports) => keys.check(request, transports),
        sign: (request, id) => keys.sign(request, id),
      },
      mode === 'primary',
      onProblem,
    );
    const attach = (): void => {
      node.engine.clusterAdmin = admin;
    };
    attach();
    node.onEngine = attach;
    const noteTrust = (): void => {
      if (keys.identity !== null) clusterNews.onTrust(keys.identity.trust);
    };
    noteTrust();
    keys.onTrust = () => {
      noteTrust();
      keys.fetchAuthority(node).catch((error: unknown) => onProblem(asAlopexError(error)));
    };
    node.handle(authorityRequest, (from) => keys.authorityFor(from, node));
    node.onStatus = (status, isPrimary) => {
      clusterNews.onStatus(status, node.self, isPrimary);
      if (isPrimary) admin.promoteSoon();
      const tell = (error: unknown): void => onProblem(asAlopexError(error));
      keys.noteMembers(status.membership.members).catch(tell);
      keys.fetchAuthority(node).catch(tell);
    };
    try {
      if (mode === 'primary') await found();
      const server = new ServerNode(node, admin, keys);
      node.onLogDamaged = (error) => {
        if (!error.message.startsWith(`${path}/log/`)) return;
        onProblem(error);
        server.noted = keys.noteDamage(error).catch((thrown) => onProblem(asAlopexError(thrown)));
      };
      return server;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  /** Where other nodes find it; null: it is in no cluster. */
  get mesh(): string | null {
    return this.#keys.record?.mesh ?? null;
  }

  /** A primary that is about to stop gives the lead to another node first, where there is one: then no write fails. */
  async handOver(): Promise<void> {
    const { status } = this.node;
    if (this.node.isPrimary && status !== null && status.membership.members.length > 1)
      await this.admin.demote(handOverMs).catch(() => {});
  }

  async close(): Promise<void> {
    this.admin.close();
    await this.node.close();
  }
}

/** Where the log is damaged, or the votes, the other nodes have what this one has lost. */
async function openNode(database: Omit<NodeOptions, 'cluster'>, keys: Keys): Promise<DatabaseNode> {
  const noted = await keys.notedDamage();
  if (noted !== null) {
    database.onProblem(noted);
    // Without the others it goes on with what it has.
    await keys.joinAnew().catch((error: unknown) => database.onProblem(asAlopexError(error)));
  }
  try {
    return await DatabaseNode.open({ ...database, cluster: keys.clusterOptions });
  } catch (thrown) {
    const error = asAlopexError(thrown);
    const { path, onProblem } = database;
    const isOfLog = ['log', 'cluster'].some((name) => error.message.startsWith(`${path}/${name}/`));
    if (error.condition !== 'data_corrupted' || !isOfLog || keys.identity === null) throw error;
    onProblem(error);
    await keys.joinAnew();
    return DatabaseNode.open({ ...database, cluster: keys.clusterOptions });
  }
}
