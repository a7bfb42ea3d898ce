import type { OutputColumn } from '../../../query/plan/logical.ts';
import { oids } from '../../../query/types/type.ts';

export function textColumn(name: string): OutputColumn {
  return { name, type: { oid: oids.text, modifier: -1 }, table: 0, attribute: 0 };
}

export const explainColumns: readonly OutputColumn[] = [textColumn('QUERY PLAN')];
