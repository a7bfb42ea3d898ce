import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../api/open.ts';
import { accountCount, sessionCount } from './soak.ts';

/**
 * The process that is killed: writers that run transactions one after another, each of which says its number on
 * standard output once it is acknowledged. Arguments: the directory, the first number that is free.
 */
async function main(): Promise<void> {
  const [path, first] = process.argv.slice(2);
  const database = await Database.open({ path: path! });
  let next = Number(first);
  const writer = async (): Promise<never> => {
    for (;;) {
      const id = next++;
      await transfer(database, id);
      writeSync(1, `${id}\n`);
    }
  };
  const checkpoints = async (): Promise<never> => {
    for (;;) {
      await setTimeout(20);
      await database.query('CHECKPOINT');
    }
  };
  await Promise.all([...Array.from({ length: sessionCount }, writer), checkpoints()]);
}

/** Two accounts change, two rows say why; now and then a commit larger than a batch. */
async function transfer(database: Database, id: number): Promise<void> {
  const source = id % accountCount;
  const target = (id * 7 + 1) % accountCount;
  await database.transaction(async (transaction) => {
    for (const [account, amount] of [
      [source, -id],
      [target, id],
    ]) {
      await transaction.query('INSERT INTO moves (txn, account, amount) VALUES ($1, $2, $3)', [
        id,
        account!,
        amount!,
      ]);
    }
    // In one order, so that writers wait and do not deadlock.
    const changes = [
      [source, -id],
      [target, id],
    ].sort(([left], [right]) => left! - right!);
    for (const [account, amount] of changes)
      await transaction.query('UPDATE accounts SET balance = balance + $2 WHERE id = $1', [
        account!,
        amount!,
      ]);
    if (id % 50 === 0)
      await transaction.query(
        `INSERT INTO bulk SELECT ${id}, n, repeat('large', 100) FROM generate_series(1, 6000) AS n`,
      );
  });
}

await main();
