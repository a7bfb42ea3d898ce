import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { type AlopexError, Database } from '../../api/index.ts';
import { ProcessCluster } from './cluster.ts';

const writerCount = 8;
const pauseMs = 5;

/** What the writers of one test were told. */
class Writes {
  readonly answered: string[] = [];
  readonly failed: string[] = [];
  isStopping = false;

  /** One after the other: two single statements, and a transaction. */
  async go(name: string, url: string): Promise<void> {
    await using database = await Database.open({ url, connectionsMax: 2 });
    for (let count = 0; !this.isStopping; count++) {
      const id = `${name}.${count}`;
      try {
        if (count % 3 < 2) await database.execute('INSERT INTO written VALUES ($1)', [id]);
        else {
          await database.transaction(async (queries) => {
            await queries.query('SELECT 1');
            await queries.execute('INSERT INTO written VALUES ($1)', [id]);
          });
        }
        this.answered.push(id);
      } catch (error) {
        this.failed.push(`${id}: ${(error as AlopexError).code} ${(error as AlopexError).message}`);
      }
      await setTimeout(pauseMs);
    }
  }
}

describe('a rolling restart', () => {
  it('fails no write, of clients that look for the primary and of those that do not', async () => {
    const cluster = await ProcessCluster.start();
    try {
      await cluster.ask('CREATE TABLE written (id text NOT NULL)');
      await cluster.settled();
      const writes = new Writes();
      const writers = Array.from({ length: writerCount }, (_, index) =>
        writes.go(`writer${index}`, cluster.url(index % 2 === 0 ? 'read-write' : 'any')),
      );
      for (const node of cluster.nodes) {
        const before = writes.answered.length;
        while (writes.answered.length < before + writerCount) await setTimeout(pauseMs);
        expect(await node.process!.stop()).to.equal(0);
        await cluster.restart(node);
        await cluster.settled();
      }
      writes.isStopping = true;
      await Promise.all(writers);
      expect(writes.failed).to.deep.equal([]);
      const { rows } = await cluster.ask<{ id: string }>('SELECT id FROM written');
      expect(rows.map(({ id }) => id).sort()).to.deep.equal(writes.answered.sort());
    } finally {
      await cluster.close();
    }
  });
});
