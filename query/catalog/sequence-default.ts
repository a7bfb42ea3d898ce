import { quoteIdentifier, splitQualifiedName } from '../types/identifier.ts';
import type { CatalogSnapshot, NamespaceDefinition, SequenceDefinition } from './definition.ts';
import { quoteQualified } from './qualified-name.ts';

/**
 * Defaults name sequences with their schema, `nextval('public.t_id_seq'::regclass)`, so that they mean the same
 * under every search path. When a sequence is renamed, the defaults that name it are rewritten.
 */
const regclassConstant = /'((?:[^']|'')+)'::regclass/g;

export function nextValueText(catalog: CatalogSnapshot, sequence: SequenceDefinition): string {
  return `nextval(${regclassText(catalog, sequence)})`;
}

function regclassText(catalog: CatalogSnapshot, sequence: SequenceDefinition): string {
  const name = quoteQualified(namespaceName(catalog, sequence.namespace), sequence.name);
  return `'${name.replaceAll("'", "''")}'::regclass`;
}

/** The sequences that a default calls. */
export function sequencesOf(catalog: CatalogSnapshot, defaultText: string | null): SequenceDefinition[] {
  const found: SequenceDefinition[] = [];
  for (const [, literal] of (defaultText ?? '').matchAll(regclassConstant)) {
    const sequence = sequenceNamed(catalog, literal!.replaceAll("''", "'"));
    if (sequence !== undefined) found.push(sequence);
  }
  return found;
}

/** The default with another name for one of its sequences. */
export function withSequenceRenamed(
  defaultText: string,
  before: { readonly catalog: CatalogSnapshot; readonly sequence: SequenceDefinition },
  after: { readonly catalog: CatalogSnapshot; readonly sequence: SequenceDefinition },
): string {
  const renamed = regclassText(after.catalog, after.sequence);
  return defaultText.replaceAll(regclassText(before.catalog, before.sequence), () => renamed);
}

/** As pg_get_expr prints it: schemas that the search path makes needless are left out. */
export function shownDefault(
  catalog: CatalogSnapshot,
  defaultText: string,
  isVisible: (sequence: SequenceDefinition) => boolean,
): string {
  return defaultText.replaceAll(regclassConstant, (constant, literal: string) => {
    const sequence = sequenceNamed(catalog, literal.replaceAll("''", "'"));
    if (sequence === undefined || !isVisible(sequence)) return constant;
    return `'${quoteIdentifier(sequence.name).replaceAll("'", "''")}'::regclass`;
  });
}

/** The default as it is kept: sequences that the statement named by the search path get their schema. */
export function keptDefault(
  catalog: CatalogSnapshot,
  searched: readonly NamespaceDefinition[],
  defaultText: string,
): string {
  return defaultText.replaceAll(regclassConstant, (constant, literal: string) => {
    const [name, ...rest] = splitQualifiedName(literal.replaceAll("''", "'"));
    if (rest.length > 0) return constant;
    const found = searched
      .map((namespace) => catalog.relation(namespace.id, name!))
      .find((each) => each !== undefined);
    return found?.kind === 'sequence' ? regclassText(catalog, found) : constant;
  });
}

function sequenceNamed(catalog: CatalogSnapshot, text: string): SequenceDefinition | undefined {
  const [schema, name] = splitQualifiedName(text);
  const namespace = name === undefined ? undefined : catalog.namespace(schema!);
  const object = namespace === undefined ? undefined : catalog.relation(namespace.id, name!);
  return object?.kind === 'sequence' ? object : undefined;
}

function namespaceName(catalog: CatalogSnapshot, id: number): string {
  const namespace = catalog.byId(id);
  return namespace?.kind === 'namespace' ? namespace.name : '';
}
