import { unsupported } from '../../base/errors.ts';
import type { CatalogLookups, FunctionContext } from '../../query/types/function.ts';

const nothing = (): null => null;

/** The catalog is the server's: nothing that is read from text asks it. */
const catalog: CatalogLookups = {
  relationOid: nothing,
  relationName: nothing,
  typeOid: nothing,
  typeName: nothing,
  namespaceOid: nothing,
  namespaceName: nothing,
  roleOid: nothing,
  roleName: nothing,
  functionOid: nothing,
  functionName: nothing,
  isTableVisible: nothing,
  indexDefinition: nothing,
  constraintDefinition: nothing,
  columnDefault: nothing,
  serialSequence: nothing,
};

/** What reading a value's text needs: the settings that the server reports (ParameterStatus), as they stand now. */
export function clientContext(parameters: ReadonlyMap<string, string>): FunctionContext {
  const setting = (name: string, otherwise: string): string => parameters.get(name) ?? otherwise;
  return {
    get timeZone() {
      return setting('TimeZone', 'UTC');
    },
    get dateStyle() {
      return setting('DateStyle', 'ISO, MDY');
    },
    get intervalStyle() {
      return setting('IntervalStyle', 'postgres');
    },
    transactionMicros: 0,
    statementMicros: 0,
    clockMicros: () => 0,
    random: onServer,
    randomBytes: onServer,
    extraFloatDigits: 1,
    byteaOutput: 'hex',
    user: '',
    sessionUser: '',
    database: '',
    searchPath: [],
    backendPid: 0,
    getSetting: (name) => parameters.get(name) ?? null,
    setSetting: onServer,
    catalog,
    sequences: { nextValue: onServer, currentValue: onServer, lastValue: onServer, setValue: onServer },
  };
}

function onServer(): never {
  throw unsupported('a function of the server, in the client');
}
