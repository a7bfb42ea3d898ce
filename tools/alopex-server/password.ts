import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DatabaseNode } from '../../api/cluster/node.ts';
import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import type { Engine } from '../../api/database/engine.ts';

/** A node that nobody else has to agree with leads by then. */
const leadMsMax = 5_000;
const lookMs = 20;

/** Replicas have the passwords of the primary. */
export async function setPasswordWherePrimary(
  node: DatabaseNode,
  password: string,
  log: Pick<Logger, 'warn'>,
): Promise<void> {
  const untilMs = performance.now() + leadMsMax;
  const isAnothers = (): boolean => ![null, node.self].includes(node.status?.leader ?? null);
  while (!node.isPrimary && !isAnothers() && performance.now() < untilMs) await setTimeout(lookMs);
  if (node.isPrimary) await setPassword(node.engine, password);
  else log.warn('this node is not the primary: the password of role alopex stays as it is');
}

/** Gives role alopex a password. */
async function setPassword(engine: Engine, password: string): Promise<void> {
  const database = new EmbeddedDatabase(engine);
  await database.execute(`ALTER ROLE alopex PASSWORD '${password.replaceAll("'", "''")}'`);
}
