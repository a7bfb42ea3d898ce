import type { Datum } from '../../../base/values/datum.ts';
import { type Literal, type LiteralText, literalsOf } from '../../../query/sql/literals.ts';
import { type ParsedStatement, parse } from '../../../query/sql/parse.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import { oids, type TypeOid } from '../../../query/types/type.ts';
import { requireAccess } from '../access.ts';
import { noMoments } from '../catalog-history.ts';
import type { FilledTemplate } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { bindQuery, type Prepared, prepareQuery } from './prepare.ts';

/**
 * What is known of texts that differ in their literals alone. The first of them is parsed as it is; the second one
 * makes a statement of them, whose parameters the literals are, if it means the same with them.
 */
export type Template =
  | { readonly kind: 'seen' }
  | { readonly kind: 'statement'; readonly prepared: Prepared; readonly catalogVersion: number }
  | { readonly kind: 'unfit'; readonly catalogVersion: number };

const givenTypes: Readonly<Record<Literal['kind'], TypeOid>> = {
  int4: oids.int4,
  int8: oids.int8,
  numeric: oids.numeric,
  string: 0,
};

/** A string that stands for the time at which it is read: not a constant of its type. */
const clockString = /^\s*(now|today|tomorrow|yesterday)\b/i;

/**
 * The text as a prepared statement that has a short way, where one is known. Null: it is to be parsed, which also tells
 * what is wrong with it, and where.
 */
export function filledTemplate(session: EngineSession, text: string): FilledTemplate | null {
  const found = literalsOf(text);
  if (found === null) return null;
  const { plans } = session.engine;
  const { searchPath, inputStyle } = session.settings.lookUps;
  const kinds = found.literals.map(({ kind }) => kind).join();
  const key = `${searchPath}\u0000${inputStyle}\u0000${kinds}\u0000${found.template}`;
  const known = plans.template(key);
  if (known === undefined) {
    plans.setTemplate(key, { kind: 'seen' });
    return null;
  }
  let template = known;
  if (template.kind === 'seen' || template.catalogVersion !== session.catalog.version) {
    if (session.transaction?.catalog != null) return null;
    template = templateOf(session, text, found);
    plans.setTemplate(key, template);
  }
  return template.kind === 'statement' ? filled(session, template.prepared, found.literals) : null;
}

function filled(
  session: EngineSession,
  prepared: Prepared,
  literals: readonly Literal[],
): FilledTemplate | null {
  try {
    requireAccess(session, prepared.query!.accesses);
    return { prepared, parameters: parametersOf(session, prepared, literals) };
  } catch {
    return null;
  }
}

function parametersOf(
  session: EngineSession,
  { parameterTypes }: Pick<Prepared, 'parameterTypes'>,
  literals: readonly Literal[],
): readonly Datum[] {
  return literals.map(({ text }, index) => {
    const oid = parameterTypes[index]!;
    return codecOf(oid).parse(text, { oid, modifier: -1 }, session.functions);
  });
}

/** Whatever is refused here, the text itself is asked for it, and tells. */
function templateOf(session: EngineSession, text: string, found: LiteralText): Template {
  const catalogVersion = session.catalog.version;
  const unfit: Template = { kind: 'unfit', catalogVersion };
  if (found.literals.some(({ kind, text }) => kind === 'string' && clockString.test(text))) return unfit;
  try {
    const [statement] = parse(found.template);
    const [original] = parse(text);
    if (!isTemplate(statement) || !isTemplate(original)) return unfit;
    const types = found.literals.map(({ kind }) => givenTypes[kind]);
    const bound = bindQuery(session, statement, types, noMoments);
    const meant = bindQuery(session, original, [], noMoments);
    const parameters = parametersOf(session, bound, found.literals);
    if (!isSame(bound.plan, meant.plan, parameters) || bound.command !== meant.command) return unfit;
    const prepared = prepareQuery(session, statement, types, noMoments);
    const { lookup, insert, change } = prepared.query!;
    return lookup === null && insert === null && change === null
      ? unfit
      : { kind: 'statement', prepared, catalogVersion };
  } catch {
    return unfit;
  }
}

function isTemplate(statement: ParsedStatement | undefined): statement is ParsedStatement {
  if (statement === undefined) return false;
  const { kind, systemTimes, longNames } = statement;
  const kinds: readonly string[] = ['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt'];
  return kinds.includes(kind) && systemTimes.size === 0 && longNames.length === 0;
}

/** Whether a bound plan is another one with parameters in place of constants of the same type and value. */
function isSame(template: unknown, meant: unknown, parameters: readonly Datum[]): boolean {
  if (template === meant || (Number.isNaN(template) && Number.isNaN(meant))) return true;
  if (typeof template !== 'object' || typeof meant !== 'object' || template === null || meant === null)
    return false;
  if (Object.getPrototypeOf(template) !== Object.getPrototypeOf(meant)) return false;
  const [left, right] = [template, meant] as [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  if (left.kind === 'parameter' && right.kind === 'constant') {
    const value = parameters[left.index as number];
    return isSame(left.type, right.type, parameters) && isSame(value, right.value, parameters);
  }
  const names = Object.keys(left);
  // Maps, and whatever else keeps what it has to itself, cannot be compared.
  if (names.length === 0 && !Array.isArray(template)) return false;
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => name in right && isSame(left[name], right[name], parameters))
  );
}
