import type { DefElem, Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { place } from '../../sql/ast.ts';

/** The options of a statement: WITH (…), of a sequence, of a role. */
export function optionsOf(nodes: readonly Node[] | undefined): readonly DefElem[] {
  return (nodes ?? []).flatMap((node) => ('DefElem' in node ? [node.DefElem] : []));
}

/** 42601 where an option stands twice. */
export function requireDistinct(options: readonly DefElem[]): void {
  const seen = new Set<string>();
  for (const { defname, location } of options) {
    if (seen.has(defname ?? '')) throw redundantOption(location);
    seen.add(defname ?? '');
  }
}

function redundantOption(location: number | undefined): AlopexError {
  return new AlopexError('syntax_error', 'conflicting or redundant options', place(location));
}

/** The value of an option as text: numbers, names and strings alike. An option without a value is true. */
export function optionText({ arg }: DefElem): string {
  if (arg === undefined) return 'true';
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  if ('Float' in arg) return arg.Float.fval ?? '';
  if ('Boolean' in arg) return String(arg.Boolean.boolval ?? false);
  if ('String' in arg) return arg.String.sval ?? '';
  if ('TypeName' in arg) return arg.TypeName.names?.map(nameText).join('.') ?? '';
  throw new AlopexError('syntax_error', 'an option needs a plain value');
}

function nameText(node: Node): string {
  return 'String' in node ? (node.String.sval ?? '') : '';
}

export function optionFlag(option: DefElem): boolean {
  return ['true', 'on', '1', 'yes'].includes(optionText(option).toLowerCase());
}

/** Storage parameters of PostgreSQL's tables: kept and shown, and without effect. */
const tableParameters: ReadonlySet<string> = new Set(
  `autovacuum_analyze_scale_factor autovacuum_analyze_threshold autovacuum_enabled autovacuum_freeze_max_age
   autovacuum_freeze_min_age autovacuum_freeze_table_age autovacuum_multixact_freeze_max_age
   autovacuum_multixact_freeze_min_age autovacuum_multixact_freeze_table_age autovacuum_vacuum_cost_delay
   autovacuum_vacuum_cost_limit autovacuum_vacuum_insert_scale_factor autovacuum_vacuum_insert_threshold
   autovacuum_vacuum_scale_factor autovacuum_vacuum_threshold fillfactor log_autovacuum_min_duration
   parallel_workers toast_tuple_target user_catalog_refs vacuum_index_cleanup vacuum_truncate`.split(/\s+/),
);
const indexParameters: ReadonlySet<string> = new Set(['fillfactor', 'deduplicate_items']);

export const historyParameter = 'alopex.history';
export const historyMsDefault = 24 * 3_600_000;

/** Parameters as they are kept: their names with the namespace. 22023 for what nobody knows. */
export function storageParameters(
  nodes: readonly Node[] | undefined,
  of: 'table' | 'index',
): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  for (const option of optionsOf(nodes)) {
    const name = parameterName(option, of);
    const value = optionText(option);
    if (name === 'fillfactor') checkFillFactor(value);
    if (name === historyParameter) historyMsOf(value);
    parameters[name] = value;
  }
  return parameters;
}

export function parameterName({ defnamespace, defname }: DefElem, of: 'table' | 'index'): string {
  const name = defname ?? '';
  const unknown = new AlopexError('invalid_parameter_value', `unrecognized parameter "${name}"`);
  switch (defnamespace) {
    case undefined:
      if (!(of === 'table' ? tableParameters : indexParameters).has(name)) throw unknown;
      return name;
    case 'toast':
      if (!tableParameters.has(name)) throw unknown;
      return `toast.${name}`;
    case 'alopex':
      if (`alopex.${name}` !== historyParameter || of === 'index') throw unknown;
      return historyParameter;
    default:
      throw new AlopexError('invalid_parameter_value', `unrecognized parameter namespace "${defnamespace}"`);
  }
}

function checkFillFactor(value: string): void {
  if (!/^\d+$/.test(value)) {
    throw new AlopexError(
      'invalid_parameter_value',
      `invalid value for integer option "fillfactor": ${value}`,
    );
  }
  if (Number(value) >= 10 && Number(value) <= 100) return;
  throw new AlopexError('invalid_parameter_value', `value ${value} out of bounds for option "fillfactor"`, {
    detail: 'Valid values are between "10" and "100".',
  });
}

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** '7d', '36h', '90min': how long closed versions are kept. */
export function historyMsOf(text: string): number {
  const [, digits, unit] = /^(\d+)\s*([a-z]+)$/.exec(text.trim()) ?? [];
  const milliseconds = Number(digits) * (unitsMs[unit ?? ''] ?? Number.NaN);
  if (Number.isSafeInteger(milliseconds)) return milliseconds;
  throw new AlopexError(
    'invalid_parameter_value',
    `invalid value for parameter "${historyParameter}": "${text}"`,
    { hint: 'Valid units for this parameter are "ms", "s", "min", "h", "d", and "w".' },
  );
}
