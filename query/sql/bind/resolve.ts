import { isArrayType, typeInfo } from '../../types/registry.ts';
import { oids, type TypeCategory, type TypeOid } from '../../types/type.ts';
import { canCoerce, isPolymorphic, isPolymorphicArray } from './coerce.ts';

/** A function or operator that may be meant, its argument types spread to as many as the call has. */
export type Candidate<T> = { readonly value: T; readonly types: readonly TypeOid[] };

export type Resolution<T> =
  | { readonly kind: 'found'; readonly candidate: Candidate<T> }
  | { readonly kind: 'none' }
  | { readonly kind: 'ambiguous' };

/**
 * Chooses among functions of one name by the types of the arguments: PostgreSQL's rules (manual, 10.2 and 10.3).
 * Exact first, then what implicit casts reach, narrowed by exact matches, preferred types and the category that
 * literals are assumed to be of.
 */
export function resolve<T>(candidates: readonly Candidate<T>[], types: readonly TypeOid[]): Resolution<T> {
  const exact = candidates.find((candidate) => candidate.types.every((type, index) => type === types[index]));
  if (exact !== undefined) return { kind: 'found', candidate: exact };
  const reachable = candidates.filter((candidate) => accepts(candidate.types, types));
  if (reachable.length === 0) return { kind: 'none' };
  const chosen = narrow(reachable, types);
  return chosen === null ? { kind: 'ambiguous' } : { kind: 'found', candidate: chosen };
}

function accepts(declared: readonly TypeOid[], types: readonly TypeOid[]): boolean {
  return (
    declared.every((target, index) => canCoerce(types[index]!, target, 'implicit')) &&
    polymorphicElement(declared, types) !== 'conflict'
  );
}

function narrow<T>(reachable: readonly Candidate<T>[], types: readonly TypeOid[]): Candidate<T> | null {
  if (reachable.length === 1) return reachable[0]!;
  let rest = best(reachable, (declared) =>
    count(types, (type, index) => type !== oids.unknown && declared[index] === type),
  );
  if (rest.length === 1) return rest[0]!;
  rest = best(rest, (declared) => count(types, (type, index) => isExactOrPreferred(declared[index]!, type)));
  if (rest.length === 1) return rest[0]!;
  return types.includes(oids.unknown) ? narrowByUnknowns(rest, types) : null;
}

function isExactOrPreferred(declared: TypeOid, type: TypeOid): boolean {
  if (type === oids.unknown) return false;
  const info = typeInfo(declared);
  return declared === type || (info.isPreferred && info.category === typeInfo(type).category);
}

function narrowByUnknowns<T>(
  candidates: readonly Candidate<T>[],
  types: readonly TypeOid[],
): Candidate<T> | null {
  let rest = candidates;
  for (const [index, type] of types.entries()) {
    if (type !== oids.unknown) continue;
    const category = assumedCategory(candidates, index);
    if (category === null) return assumeKnownType(candidates, types);
    const within = rest.filter(({ types: declared }) => typeInfo(declared[index]!).category === category);
    const preferred = within.filter(({ types: declared }) => typeInfo(declared[index]!).isPreferred);
    const next = preferred.length > 0 ? preferred : within;
    if (next.length > 0) rest = next;
  }
  return rest.length === 1 ? rest[0]! : assumeKnownType(rest, types);
}

/** Strings where any candidate takes one: that is how a literal is written; else what all candidates agree on. */
function assumedCategory<T>(candidates: readonly Candidate<T>[], index: number): TypeCategory | null {
  const categories = candidates.map(({ types }) => typeInfo(types[index]!).category);
  if (categories.includes('S')) return 'S';
  return categories.every((category) => category === categories[0]) ? categories[0]! : null;
}

/** Literals are taken to be of the one type that all other arguments have. */
function assumeKnownType<T>(
  candidates: readonly Candidate<T>[],
  types: readonly TypeOid[],
): Candidate<T> | null {
  const known = types.filter((type) => type !== oids.unknown);
  if (known.length === 0 || known.some((type) => type !== known[0])) return null;
  const assumed = types.map(() => known[0]!);
  const rest = candidates.filter((candidate) => accepts(candidate.types, assumed));
  return rest.length === 1 ? rest[0]! : null;
}

function best<T>(
  candidates: readonly Candidate<T>[],
  score: (types: readonly TypeOid[]) => number,
): readonly Candidate<T>[] {
  const scores = candidates.map((candidate) => score(candidate.types));
  const highest = Math.max(...scores);
  return candidates.filter((_, index) => scores[index] === highest);
}

function count(types: readonly TypeOid[], test: (type: TypeOid, index: number) => boolean): number {
  return types.filter(test).length;
}

/** Spreads a variadic signature to `length` arguments; null where the number of arguments does not fit. */
export function spread(
  declared: readonly TypeOid[],
  isVariadic: boolean,
  length: number,
): readonly TypeOid[] | null {
  if (!isVariadic) return declared.length === length ? declared : null;
  if (length < declared.length) return null;
  const last = declared.at(-1)!;
  return [...declared, ...Array.from({ length: length - declared.length }, () => last)];
}

const compatible: ReadonlySet<TypeOid> = new Set([oids.anycompatible, oids.anycompatiblearray]);

/**
 * What the polymorphic types of a signature stand for: the element type; null where only literals say something;
 * 'conflict' where anyelement and its kin would have to be two types. anycompatible takes their common type.
 */
export function polymorphicElement(
  declared: readonly TypeOid[],
  types: readonly TypeOid[],
): TypeOid | null | 'conflict' {
  let element: TypeOid | null = null;
  for (const [index, target] of declared.entries()) {
    const type = types[index]!;
    if (!isPolymorphic(target) || target === oids.any || type === oids.unknown) continue;
    const found = isPolymorphicArray(target) ? typeInfo(type).element : type;
    if (isPolymorphicArray(target) && !isArrayType(type)) return 'conflict';
    if (element === null || element === found) element = found;
    else if (!compatible.has(target)) return 'conflict';
    else if (canCoerce(element, found, 'implicit')) element = found;
    else if (!canCoerce(found, element, 'implicit')) return 'conflict';
  }
  return element;
}
