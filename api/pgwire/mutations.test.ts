import { prepareForMutations, sendMutations } from './test-kit/mutations.ts';
import { ServedDatabase } from './test-kit/served-database.ts';

describe('bad input', () => {
  let served: ServedDatabase;
  before(async () => {
    served = await ServedDatabase.open();
  });
  after(() => served.close());

  it('3,000 damaged conversations close at most their own connection', async () => {
    await prepareForMutations(served);
    await sendMutations(served, 1, 3000);
  });
});
