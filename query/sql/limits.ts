/** Longest text that is parsed, in UTF-16 units: about 400 ms of parsing for each megabyte of VALUES. */
export const maxStatementLength = 16 * 1024 * 1024;

/**
 * Deepest nesting, and longest chain of operators, set operations or joins, that is handed to the parser. It
 * recurses on the stack of the host: an overflow inside would leave its memory unusable. A third of what was
 * measured to fit (3,000 nested function calls, 2,000 nested subqueries, in Node's default stack of 984 KiB).
 */
export const maxNesting = 1000;

/** As in PostgreSQL: parameters are numbered in 16 bits on the wire. */
export const maxParameters = 65535;

/** As in PostgreSQL: MaxTupleAttributeNumber. */
export const maxTargets = 1664;

/** As in PostgreSQL: NAMEDATALEN - 1. Longer names are cut, with a notice. */
export const maxNameBytes = 63;
