import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { epoch, nodeId, rangeId } from '../../base/ids.ts';
import { firstState, type GroupState, GroupStates } from './states.ts';

function votedIn(number: number): GroupState {
  return { ...firstState, hardState: { ...firstState.hardState, epoch: epoch(number), votedFor: nodeId(1) } };
}

describe('GroupStates', () => {
  it('has what was saved, of each range, after a crash', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async ({ disk }) => {
      const states = await GroupStates.open(disk, '/cluster');
      expect(states.get(rangeId(1))).to.equal(null);
      await Promise.all([1, 2, 3].map((range) => states.save(rangeId(range), votedIn(range))));
      await states.save(rangeId(2), votedIn(9));
    });
    machine.crash();
    machine.restart();
    await machine.run(async ({ disk }) => {
      const states = await GroupStates.open(disk, '/cluster');
      const epochs = [1, 2, 3].map((range) => states.get(rangeId(range))?.hardState.epoch);
      expect(epochs).to.deep.equal([1, 9, 3]);
    });
  });

  it('writes what comes during a write once, and resolves none before it is durable', async () => {
    await new Simulation(2).machine('a').run(async ({ disk }) => {
      const states = await GroupStates.open(disk, '/cluster');
      const saves = Array.from({ length: 1000 }, (_, index) => states.save(rangeId(index + 1), votedIn(1)));
      // The first is under way; all others share the next.
      expect(new Set(saves).size).to.equal(2);
      await saves[999];
      const reopened = await GroupStates.open(disk, '/cluster');
      expect(reopened.get(rangeId(1000))?.hardState.epoch).to.equal(1);
    });
  });

  it('refuses a file that is damaged, by its name', async () => {
    await new Simulation(3).machine('a').run(async ({ disk }) => {
      await (await GroupStates.open(disk, '/cluster')).save(rangeId(1), votedIn(1));
      const file = await disk.open('/cluster/votes', 'write');
      await file.write(20, [Uint8Array.of(0xff)]);
      await file.sync();
      await file.close();
      const refusal = await GroupStates.open(disk, '/cluster').catch((error: Error) => error.message);
      expect(refusal).to.include('/cluster/votes');
    });
  });
});
