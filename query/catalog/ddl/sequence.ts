import type { AlterSeqStmt, CreateSeqStmt, DefElem } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { place, stringsOf } from '../../sql/ast.ts';
import { typeNameOf } from '../../sql/type-name.ts';
import { formatType } from '../../types/format-type.ts';
import { oids } from '../../types/type.ts';
import type { SequenceDefinition } from '../definition.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import {
  creationNamespace,
  findColumn,
  findRelation,
  nameOf,
  requireFreeName,
  requireKind,
  requireOwner,
  undefinedRelation,
} from './lookup.ts';
import { optionFlag, optionsOf, optionText, requireDistinct } from './options.ts';

export function createSequence(editor: CatalogEditor, statement: CreateSeqStmt): DdlResult {
  const name = nameOf(statement.sequence);
  const namespace = creationNamespace(editor, name);
  if (statement.if_not_exists === true && editor.catalog.relation(namespace.id, name.name) !== undefined) {
    editor.notice(`relation "${name.name}" already exists, skipping`, '42P07');
    return editor.finish('CREATE SEQUENCE');
  }
  requireFreeName(editor, namespace.id, name.name);
  const options = optionsOf(statement.options);
  const sequence = newSequence(
    editor,
    { namespace: namespace.id, name: name.name, type: oids.int8 },
    options,
  );
  editor.put({ ...sequence, ownedBy: ownerOption(editor, options) ?? null });
  return editor.finish('CREATE SEQUENCE');
}

export function alterSequence(editor: CatalogEditor, statement: AlterSeqStmt): DdlResult {
  const name = nameOf(statement.sequence);
  const relation = findRelation(editor, name);
  if (relation === undefined) {
    if (statement.missing_ok !== true) throw undefinedRelation(name);
    editor.notice(`relation "${name.name}" does not exist, skipping`);
    return editor.finish('ALTER SEQUENCE');
  }
  const sequence = requireKind(relation, 'sequence');
  requireOwner(editor, sequence);
  const options = optionsOf(statement.options);
  const ownedBy = ownerOption(editor, options);
  if (ownedBy !== undefined) requireNotIdentity(editor, sequence);
  changeSequence(
    editor,
    { ...sequence, ownedBy: ownedBy === undefined ? sequence.ownedBy : ownedBy },
    options,
  );
  return editor.finish('ALTER SEQUENCE');
}

/** Puts a sequence. It has no row in `alopex.sequences` yet, which says that it stands at its start. */
export function newSequence(
  editor: CatalogEditor,
  { namespace, name, type }: { readonly namespace: number; readonly name: string; readonly type: number },
  options: readonly DefElem[],
): SequenceDefinition {
  const bounds = boundsOf({ type, previous: null }, options);
  const sequence: SequenceDefinition = {
    kind: 'sequence',
    id: editor.newId(),
    namespace,
    name,
    owner: editor.user.id,
    ...bounds,
    ownedBy: null,
  };
  editor.put(sequence);
  const restart = restartOption(options);
  if (restart !== undefined) restartSequence(editor, sequence, restart || sequence.start);
  return sequence;
}

export function changeSequence(
  editor: CatalogEditor,
  sequence: SequenceDefinition,
  options: readonly DefElem[],
): void {
  const changed = { ...sequence, ...boundsOf({ type: sequence.type, previous: sequence }, options) };
  editor.put(changed);
  const restart = restartOption(options);
  if (restart !== undefined) restartSequence(editor, changed, restart || changed.start);
}

export function restartSequence(editor: CatalogEditor, sequence: SequenceDefinition, value: string): void {
  checkRestart(sequence, value);
  editor.effect({ kind: 'set-sequence', sequence: sequence.id, value, isCalled: false });
}

/** RESTART's value; '' where it has none; undefined where it is not there. */
function restartOption(options: readonly DefElem[]): string | undefined {
  const restart = options.find((option) => option.defname === 'restart');
  if (restart === undefined) return undefined;
  return restart.arg === undefined ? '' : optionText(restart);
}

type Bounds = Pick<SequenceDefinition, 'type' | 'start' | 'increment' | 'minimum' | 'maximum' | 'cycle'>;

const typeRanges: ReadonlyMap<number, readonly [bigint, bigint]> = new Map([
  [oids.int2, [-(2n ** 15n), 2n ** 15n - 1n]],
  [oids.int4, [-(2n ** 31n), 2n ** 31n - 1n]],
  [oids.int8, [-(2n ** 63n), 2n ** 63n - 1n]],
]);

function boundsOf(
  { type: typeBefore, previous }: { readonly type: number; readonly previous: Bounds | null },
  options: readonly DefElem[],
): Bounds {
  requireDistinct(options);
  const option = (name: string): DefElem | undefined => options.find((each) => each.defname === name);
  const type = sequenceType(option('as')) ?? typeBefore;
  const range = typeRanges.get(type);
  if (range === undefined) throw invalid('sequence type must be smallint, integer, or bigint');
  checkCache(option('cache'));

  const increment = numberOption(option('increment')) ?? BigInt(previous?.increment ?? 1);
  if (increment === 0n) throw invalid('INCREMENT must not be zero');
  const cycleOption = option('cycle');
  const defaultMaximum = increment > 0n ? range[1] : -1n;
  const defaultMinimum = increment > 0n ? 1n : range[0];
  const maximum = bound(option('maxvalue'), keptBound(previous, 'maximum', type), defaultMaximum);
  const minimum = bound(option('minvalue'), keptBound(previous, 'minimum', type), defaultMinimum);
  requireInRange('MAXVALUE', maximum, type, range);
  requireInRange('MINVALUE', minimum, type, range);
  if (minimum >= maximum) throw invalid(`MINVALUE (${minimum}) must be less than MAXVALUE (${maximum})`);

  const ownStart = previous === null ? (increment > 0n ? minimum : maximum) : BigInt(previous.start);
  const start = numberOption(option('start')) ?? ownStart;
  if (start < minimum) throw invalid(`START value (${start}) cannot be less than MINVALUE (${minimum})`);
  if (start > maximum) throw invalid(`START value (${start}) cannot be greater than MAXVALUE (${maximum})`);
  return {
    type,
    start: String(start),
    increment: String(increment),
    minimum: String(minimum),
    maximum: String(maximum),
    cycle: cycleOption === undefined ? (previous?.cycle ?? false) : optionFlag(cycleOption),
  };
}

function sequenceType(option: DefElem | undefined): number | null {
  if (option?.arg === undefined || !('TypeName' in option.arg)) return null;
  const type = typeNameOf(option.arg.TypeName).oid;
  if (!typeRanges.has(type)) throw invalid('sequence type must be smallint, integer, or bigint');
  return type;
}

/** Numbers are handed out one by one; the size of a session's cache is only checked. */
function checkCache(option: DefElem | undefined): void {
  const cache = numberOption(option);
  if (cache !== null && cache <= 0n) throw invalid(`CACHE (${cache}) must be greater than zero`);
}

/** NO MAXVALUE stands there without a value. */
function bound(option: DefElem | undefined, kept: bigint | null, byDefault: bigint): bigint {
  if (option === undefined) return kept ?? byDefault;
  return numberOption(option) ?? byDefault;
}

/** A bound that was the old type's own limit follows the new type. */
function keptBound(previous: Bounds | null, which: 'minimum' | 'maximum', type: number): bigint | null {
  if (previous === null) return null;
  const value = BigInt(previous[which]);
  const limit = typeRanges.get(previous.type)![which === 'minimum' ? 0 : 1];
  return previous.type !== type && value === limit
    ? typeRanges.get(type)![which === 'minimum' ? 0 : 1]
    : value;
}

function requireInRange(name: string, value: bigint, type: number, range: readonly [bigint, bigint]): void {
  if (value >= range[0] && value <= range[1]) return;
  const typeName = formatType({ oid: type, modifier: -1 });
  throw invalid(`${name} (${value}) is out of range for sequence data type ${typeName}`);
}

function checkRestart(sequence: SequenceDefinition, value: string): void {
  if (BigInt(value) < BigInt(sequence.minimum)) {
    throw invalid(`RESTART value (${value}) cannot be less than MINVALUE (${sequence.minimum})`);
  }
  if (BigInt(value) > BigInt(sequence.maximum)) {
    throw invalid(`RESTART value (${value}) cannot be greater than MAXVALUE (${sequence.maximum})`);
  }
}

function numberOption(option: DefElem | undefined): bigint | null {
  if (option?.arg === undefined) return null;
  const text = optionText(option);
  if (/^[+-]?\d+$/.test(text)) return BigInt(text);
  throw new AlopexError(
    'invalid_text_representation',
    `invalid input syntax for type bigint: "${text}"`,
    place(option.location),
  );
}

/** Undefined where there is no OWNED BY, null for OWNED BY NONE. */
function ownerOption(
  editor: CatalogEditor,
  options: readonly DefElem[],
): SequenceDefinition['ownedBy'] | undefined {
  const option = options.find((each) => each.defname === 'owned_by');
  if (option?.arg === undefined || !('List' in option.arg)) return undefined;
  const names = stringsOf(option.arg.List.items);
  if (names.length === 1 && names[0] === 'none') return null;
  if (names.length < 2) {
    throw new AlopexError('syntax_error', 'invalid OWNED BY option', {
      hint: 'Specify OWNED BY table.column or OWNED BY NONE.',
    });
  }
  const name = { schema: names.at(-3) ?? null, name: names.at(-2)! };
  const relation = findRelation(editor, name);
  if (relation === undefined) throw undefinedRelation(name);
  const table = requireKind(relation, 'table');
  requireOwner(editor, table);
  return { table: table.id, attribute: findColumn(table, names.at(-1)!).attribute };
}

export function requireNotIdentity(editor: CatalogEditor, sequence: SequenceDefinition): void {
  if (sequence.ownedBy === null) return;
  const table = editor.table(sequence.ownedBy.table);
  if (table.columns[sequence.ownedBy.attribute - 1]!.identity === null) return;
  throw new AlopexError('feature_not_supported', 'cannot change ownership of identity sequence', {
    detail: `Sequence "${sequence.name}" is linked to table "${table.name}".`,
  });
}

function invalid(message: string): AlopexError {
  return new AlopexError('invalid_parameter_value', message);
}
