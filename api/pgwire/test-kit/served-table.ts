import type { MemoryClient } from './memory-client.ts';
import { query } from './messages.ts';
import { ServedDatabase } from './served-database.ts';

/** Of the suite that calls it: a served database, and for each test a client that finds table t with three rows. */
export function servedTable(): { readonly served: ServedDatabase; readonly client: MemoryClient } {
  const current: { served: ServedDatabase | null; client: MemoryClient | null } = {
    served: null,
    client: null,
  };
  before(async () => {
    current.served = await ServedDatabase.open();
  });
  after(() => current.served!.close());
  beforeEach(async () => {
    current.client = await current.served!.client();
    await current.client.ask(
      query(`DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, name text);
             INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)`),
    );
  });
  afterEach(() => current.client!.close());
  return {
    get served() {
      return current.served!;
    },
    get client() {
      return current.client!;
    },
  };
}
