import type { Env } from '../../../base/env/env.ts';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import { Gate } from '../../../base/gate.ts';
import { type NodeId, nodeId, offset } from '../../../base/ids.ts';
import { rowsOf } from '../../../query/exec/rows.ts';
import { parse } from '../../../query/sql/parse.ts';
import type { Rows, RowsPortal } from '../contract.ts';
import { openEngine } from '../engine.fixture.ts';
import type { Engine } from '../engine.ts';
import type { Replication } from '../replication.ts';
import type { EngineSession } from '../session.ts';
import type { CommitToken } from '../settings.ts';
import { RemoteSessions } from './remote-sessions.ts';

/** A node of a cluster in which nothing is replicated: each has rows of its own, which tell who answered. */
export class FakeNode implements Replication {
  readonly self: NodeId;
  readonly engine: Engine;
  readonly sessions: RemoteSessions;
  readonly #cluster: FakeCluster;
  readonly mode = 'semi-sync' as const;
  stalenessMs: number | null = 0;
  isUp = true;
  isSettled = true;
  /** Called before a request is answered. */
  onRequest: () => void | Promise<void> = () => {};
  readonly gate = new Gate();
  isSure = true;
  onReadable: () => Promise<void> | null = () => null;
  readonly waitedFor: number[] = [];
  readonly lostEpochs = new Set<number>();
  readonly committedAs: string[] = [];

  constructor(cluster: FakeCluster, self: number, engine: Engine) {
    this.#cluster = cluster;
    this.self = nodeId(self);
    this.engine = engine;
    this.sessions = new RemoteSessions(engine);
    engine.replication = this;
    const commit = engine.transactions.commit.bind(engine.transactions);
    engine.transactions.commit = (transaction) => {
      this.committedAs.push(transaction.durability);
      return commit(transaction);
    };
  }

  get isPrimary(): boolean {
    return this.#cluster.primary === this.self;
  }
  get primary(): NodeId | null {
    return this.#cluster.primary;
  }
  get primaryClient(): string | null {
    return this.primary === null ? null : `node${this.primary}:5432`;
  }
  get status(): Replication['status'] {
    return {
      cluster: 'fake',
      mode: this.mode,
      epoch: 1,
      highWatermark: offset(100),
      applied: offset(90),
      failover: 'automatic',
      nodes: this.#cluster.nodes.map(({ self, isPrimary, isUp }) => ({
        id: self,
        role: isPrimary ? 'primary' : 'replica',
        client: `node${self}:5432`,
        mesh: `node${self}:7432`,
        isSelf: self === this.self,
        match: offset(80 + self),
        isInSync: isUp,
        silentMs: isUp ? 5 : 5000,
        state: isUp ? 'alive' : 'dead',
      })),
    };
  }
  get handingOver(): Promise<void> | null {
    return this.gate.opening;
  }
  get isReadable(): boolean {
    return this.isSure;
  }
  readable(): Promise<void> | null {
    return this.onReadable();
  }
  holds({ epoch }: CommitToken): boolean {
    return !this.lostEpochs.has(epoch);
  }
  async appliedPast(end: number): Promise<void> {
    this.waitedFor.push(end);
  }
  async request(to: NodeId, _name: string, body: Uint8Array): Promise<Uint8Array> {
    const node = this.#cluster.nodes.find(({ self }) => self === to)!;
    if (!node.isUp) throw new AlopexError('connection_failure', `node ${to} is not reached`);
    await node.onRequest();
    const answer = await node.sessions.answer(this.self, body);
    if (!node.isUp) throw new AlopexError('connection_failure', `node ${to} was lost`);
    return answer;
  }

  session(settings: Readonly<Record<string, string>> = {}): EngineSession {
    return this.engine.connect({ user: 'alopex', database: 'alopex', settings, clientAddress: null });
  }
}

export class FakeCluster {
  readonly nodes: FakeNode[] = [];
  primary: NodeId | null = nodeId(1);

  node(id: number): FakeNode {
    return this.nodes[id - 1]!;
  }
}

/** Three nodes with a table `t (id int8 PRIMARY KEY, node int4)` that has the row (1, <node's number>). */
export async function withCluster(work: (cluster: FakeCluster, env: Env) => Promise<void>): Promise<void> {
  await new Simulation(1).machine('a').run(async (env) => {
    const cluster = new FakeCluster();
    for (const id of [1, 2, 3]) {
      const engine = await openEngine(env, { path: `/node${id}` });
      const session = engine.connect({
        user: 'alopex',
        database: 'alopex',
        settings: {},
        clientAddress: null,
      });
      await run(session, 'CREATE TABLE t (id int8 PRIMARY KEY, node int4, note text)');
      await run(session, `INSERT INTO t VALUES (1, ${id})`);
      await session.close();
      cluster.nodes.push(new FakeNode(cluster, id, engine));
    }
    await work(cluster, env);
    for (const { engine } of cluster.nodes) await engine.close();
  });
}

/** One statement by itself, or of the open block: its rows, or its tag. */
export async function run(session: EngineSession, text: string): Promise<Rows | string> {
  const prepared = await session.prepare(parse(text)[0]!, []);
  const looked = await session.lookUp(prepared, []);
  if (looked !== null) return looked;
  const selected: Rows[number][] = [];
  const isSelected = await session.select(prepared, [], (batch) => void selected.push(...rowsOf(batch)));
  if (isSelected !== null) return selected;
  const commanded = await session.command(prepared, []);
  if (commanded !== null) {
    await session.sync();
    return commanded;
  }
  const portal = await session.bind(prepared, []);
  const answer = portal.kind === 'rows' ? await allOf(portal) : portal.kind === 'command' ? portal.tag : '';
  await session.sync();
  return answer;
}

async function allOf(portal: RowsPortal): Promise<Rows> {
  const rows: Rows[number][] = [];
  for (;;) {
    const fetched = await portal.fetch(0);
    rows.push(...fetched.rows);
    if (fetched.isDone) return rows;
  }
}

/** The SQLSTATE that a statement ends with, or null. */
export async function codeOf(session: EngineSession, text: string): Promise<string | null> {
  try {
    await run(session, text);
    return null;
  } catch (error) {
    return (error as AlopexError).code;
  }
}
