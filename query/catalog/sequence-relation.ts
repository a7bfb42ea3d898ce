import type { VirtualRelation } from '../plan/logical.ts';
import { oids } from '../types/type.ts';
import type { SequenceDefinition } from './definition.ts';

const columns = [
  { name: 'last_value', type: { oid: oids.int8, modifier: -1 } },
  { name: 'log_cnt', type: { oid: oids.int8, modifier: -1 } },
  { name: 'is_called', type: { oid: oids.bool, modifier: -1 } },
];

/** A sequence read as a table: its one row. `log_cnt`: numbers left before the log is written to again. */
export function sequenceRelation(schema: string, { id, name }: SequenceDefinition): VirtualRelation {
  return {
    schema,
    name,
    oid: id,
    kind: 'sequence',
    isSecret: false,
    columns,
    *rows(_catalog, { sequences }) {
      const state = sequences.state?.(id);
      if (state !== undefined) yield [state.last, state.left, state.isCalled];
    },
  };
}
