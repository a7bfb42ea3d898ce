import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { stringsOf } from '../../../query/sql/ast.ts';

export type OptionValue = string | readonly string[] | null;
export type Option = { readonly name: string; readonly value: OptionValue };

/** `name [value]` options of EXPLAIN, VACUUM, COPY, BEGIN: names in lower case, values as text or names. */
export function optionsOf(nodes: readonly Node[] | undefined): readonly Option[] {
  return (nodes ?? []).flatMap((node) =>
    'DefElem' in node
      ? [{ name: (node.DefElem.defname ?? '').toLowerCase(), value: optionValue(node.DefElem.arg) }]
      : [],
  );
}

function optionValue(node: Node | undefined): OptionValue {
  if (node === undefined) return null;
  if ('List' in node) return stringsOf(node.List.items);
  if ('A_Star' in node) return '*';
  return constantText(node);
}

/** Text of a constant: of SET, of an option. A cast's or a sign's operand counts. */
export function constantText(node: Node): string {
  if ('String' in node) return node.String.sval ?? '';
  if ('Integer' in node) return String(node.Integer.ival ?? 0);
  if ('Float' in node) return node.Float.fval ?? '0';
  if ('Boolean' in node) return node.Boolean.boolval === true ? 'true' : 'false';
  if ('TypeName' in node) return stringsOf(node.TypeName.names).at(-1) ?? '';
  if ('TypeCast' in node) return constantText(node.TypeCast.arg!);
  if ('A_Const' in node) {
    const { sval, ival, fval, boolval, isnull } = node.A_Const;
    if (isnull === true) return '';
    if (sval !== undefined) return sval.sval ?? '';
    if (ival !== undefined) return String(ival.ival ?? 0);
    if (fval !== undefined) return fval.fval ?? '0';
    if (boolval !== undefined) return boolval.boolval === true ? 'on' : 'off';
  }
  throw new AlopexError('syntax_error', 'a constant is expected here');
}
