import { Database } from '../../api/index.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { databaseSuite } from './client-suite.ts';

const served: ServedDatabase[] = [];

databaseSuite('by url', async () => {
  const server = await ServedDatabase.open();
  served.push(server);
  return Database.open({ url: `postgresql://127.0.0.1:${server.port}/alopex?sslmode=disable` });
});

after(() => Promise.all(served.map((server) => server.close())));
