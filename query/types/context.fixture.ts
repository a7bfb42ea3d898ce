import type { CatalogLookups, FunctionContext } from './function.ts';

const emptyCatalog: CatalogLookups = {
  relationOid: () => null,
  relationName: () => null,
  typeOid: () => null,
  typeName: () => null,
  namespaceOid: (name) => (name === 'public' ? 2200 : name === 'pg_catalog' ? 11 : null),
  namespaceName: () => null,
  roleOid: () => null,
  roleName: () => null,
  functionOid: () => null,
  functionName: () => null,
  isTableVisible: () => null,
  indexDefinition: () => null,
  constraintDefinition: () => null,
  columnDefault: () => null,
  serialSequence: () => null,
};

/** A context for tests: an empty catalog, a fixed time (2024-05-06 07:08:09 UTC), New York's time zone. */
export function testContext(overrides: Partial<FunctionContext> = {}): FunctionContext {
  const micros = Date.UTC(2024, 4, 6, 7, 8, 9) * 1000;
  return {
    transactionMicros: micros,
    statementMicros: micros,
    clockMicros: () => micros,
    random: () => 0.5,
    randomBytes: (length) => new Uint8Array(length).fill(7),
    timeZone: 'America/New_York',
    dateStyle: 'ISO, MDY',
    intervalStyle: 'postgres',
    extraFloatDigits: 1,
    byteaOutput: 'hex',
    user: 'alopex',
    sessionUser: 'alopex',
    database: 'alopex',
    searchPath: ['$user', 'public'],
    backendPid: 1,
    getSetting: () => null,
    setSetting: (_name, value) => value,
    catalog: emptyCatalog,
    sequences: { nextValue: () => 1, currentValue: () => 1, lastValue: () => 1, setValue: () => undefined },
    ...overrides,
  };
}
