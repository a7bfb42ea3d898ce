import { expect } from 'chai';
import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import type { Disk } from '../../base/env/env.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { readWhole } from '../../base/env/whole_file.ts';
import { nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { TestCluster } from './cluster.fixture.ts';

/** `FORCE_SEED=1000 FORCE_SEEDS=500 npx mocha api/cluster/force-runs.test.ts`: more of them. */
const firstSeed = Number(process.env.FORCE_SEED ?? 1);
const seeds = Number(process.env.FORCE_SEEDS ?? 25);
const patienceMs = 60_000;
const lookMs = 200;

/** Nodes that are cut off, promoted by force, killed in the midst of what follows, and healed, by a seed. */
class ForcedRun {
  readonly #random: SeededRandom;
  readonly #cluster: TestCluster;
  readonly #count: number;
  /** Answered for. */
  readonly #written: number[] = [];
  #nextId = 1000;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#cluster = new TestCluster(seed, { raft: { snapshotRecordsMin: 200 } });
    this.#count = 2 + this.#random.below(2);
  }

  async run(): Promise<void> {
    await this.#cluster.startAll(this.#count, 'CREATE TABLE t (id int PRIMARY KEY, v text)');
    for (let round = this.#random.below(3); round >= 0; round--) await this.#round();
    await this.#settle();
    await this.#check();
  }

  get #numbers(): readonly [number, ...number[]] {
    return this.#count === 2 ? [1, 2] : [1, 2, 3];
  }

  async #round(): Promise<void> {
    const apart = this.#random.pick(this.#numbers);
    const { cutOff } = this.#cluster.hub;
    cutOff.add(nodeId(apart));
    await this.#write(3000);
    if (this.#random.chance(0.3)) await this.#restart(this.#random.pick(this.#numbers));
    for (const number of this.#numbers) cutOff.add(nodeId(number));
    await this.#write(this.#random.between(1000, 3000));
    await this.#force(apart);
    await this.#write(this.#random.between(0, 2000));
    if (this.#random.chance(0.2)) await this.#force(this.#random.pick(this.#numbers));
    cutOff.clear();
    await this.#write(this.#random.between(0, 300));
    for (let kills = this.#random.below(3); kills > 0; kills--) {
      await this.#restart(this.#random.pick(this.#numbers));
      await this.#write(this.#random.between(0, 500));
    }
  }

  async #force(number: number): Promise<void> {
    await this.#cluster.on(number, ({ admin }) => admin.promote(true, patienceMs));
  }

  async #restart(number: number): Promise<void> {
    this.#cluster.crash(number);
    await this.#write(this.#random.between(0, 1000));
    await this.#cluster.start(number);
  }

  /** On whoever says that it is the primary. */
  async #write(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs >= 0; leftMs -= lookMs) {
      for (const number of this.#numbers)
        if (this.#cluster.nodes.get(number)?.node.isPrimary === true) this.#insert(number);
      await this.#cluster.sleep(Math.min(leftMs, lookMs));
    }
  }

  #insert(number: number): void {
    const id = this.#nextId++;
    const mode = this.#random.pick(['async', 'semi-sync']);
    const sql = `SET alopex.replication_mode = '${mode}'; INSERT INTO t VALUES (${id}, 'row-${id};')`;
    void this.#cluster.machine(number).run(async () => {
      const { database } = this.#cluster.nodes.get(number)!;
      await database.query(sql).then(
        () => this.#written.push(id),
        () => {},
      );
    });
  }

  /** Everybody follows one, by an operator's word where two were promoted. */
  async #settle(): Promise<void> {
    const { nodes, hub } = this.#cluster;
    hub.cutOff.clear();
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += lookMs) {
      await this.#cluster.sleep(lookMs);
      const rival = this.#numbers.find((number) => {
        const status = nodes.get(number)?.node.status;
        return status?.role === 'leader' && status.rival !== null;
      });
      if (rival !== undefined) await this.#force(rival);
      const primary = this.#numbers.find((number) => nodes.get(number)!.node.isPrimary);
      const roles = nodes.get(primary ?? 1)!.node.replication?.status.nodes.map(({ role }) => role) ?? [];
      if (primary !== undefined && roles.filter((role) => role === 'replica').length === this.#count - 1)
        return;
    }
    throw new Error(`no common primary: ${this.#cluster.problems.slice(-5).join('; ')}`);
  }

  async #check(): Promise<void> {
    await this.#cluster.sleep(2000);
    const primary = await this.#cluster.primary();
    const rows = await this.#rows(primary);
    for (const number of this.#numbers)
      expect(await this.#rows(number), `rows of ${number}`).to.deep.equal(rows);
    const verified = await this.#cluster.on(primary, ({ admin }) => admin.verify());
    expect(verified.filter(({ isEqual }) => !isEqual)).to.deep.equal([]);
    const lost = (await Promise.all(this.#numbers.map((number) => this.#lost(number)))).join('');
    for (const id of this.#written)
      expect(rows.includes(id) || lost.includes(`row-${id};`), `row ${id} is there, or kept`).to.equal(true);
  }

  #rows(number: number): Promise<readonly number[]> {
    return this.#cluster.on(number, async ({ database }) => {
      const { rows } = await database.query<{ id: number }>('SELECT id FROM t ORDER BY id');
      return rows.map(({ id }) => id);
    });
  }

  #lost(number: number): Promise<string> {
    return this.#cluster.on(number, async (_, { disk }) =>
      (await disk.exists('/db/lost')) ? allBelow(disk, '/db/lost') : '',
    );
  }
}

async function allBelow(disk: Disk, directory: string): Promise<string> {
  const texts = (await disk.list(directory)).map(async ({ name, kind }) => {
    const path = `${directory}/${name}`;
    return kind === 'directory' ? allBelow(disk, path) : bytesToLatin1((await readWhole(disk, path))!);
  });
  return (await Promise.all(texts)).join('');
}

describe('promotions by force, by chance', () => {
  before(() => loadParser());

  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it(`seed ${seed}: all follow one in the end, and every row that was answered for is there or kept`, () =>
      new ForcedRun(seed).run()).timeout(60_000);
  }
});
