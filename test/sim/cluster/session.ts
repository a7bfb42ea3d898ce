import { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import { databaseName } from '../../../api/database/engine.ts';
import type { EngineSession } from '../../../api/database/session.ts';

/** One session of its own, as a connection has: with its settings, and what it committed last. */
export async function inSession<Result>(
  { engine }: EmbeddedDatabase,
  settings: Readonly<Record<string, string>>,
  work: (own: EmbeddedDatabase, session: EngineSession) => Promise<Result>,
): Promise<Result> {
  const session = engine.connect({ user: 'alopex', database: databaseName, settings, clientAddress: null });
  const own = new EmbeddedDatabase(engine);
  own.giveBack(session);
  try {
    return await work(own, session);
  } finally {
    await session.close();
  }
}
