import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import type { Engine } from '../../api/database/engine.ts';

/** Gives role alopex a password. */
export async function setPassword(engine: Engine, password: string): Promise<void> {
  const database = new EmbeddedDatabase(engine);
  await database.execute(`ALTER ROLE alopex PASSWORD '${password.replaceAll("'", "''")}'`);
}
