import { AlopexError } from '../base/errors.ts';

/** The first that has node:sqlite without a flag, and Zstandard in node:zlib. A clone needs 22.18: it runs TypeScript. */
const oldest = [22, 15] as const;

/** Says what is missing where the imports of an older Node would only say which export it lacks. */
export function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new AlopexError(
    'feature_not_supported',
    `alopex-db needs Node ${oldest.join('.')} or newer, and this is ${version}`,
  );
}

requireNode(process.versions.node);
