// Fails where a dependency that is shipped has a licence that Apache-2.0 cannot stand beside.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const checker = require('license-checker-rseidelsohn');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const allowed = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'PostgreSQL',
  'CC0-1.0',
  'Unlicense',
  'Python-2.0',
];

checker.init({ start: root, production: true, excludePrivatePackages: true }, (error, packages) => {
  if (error) throw error;
  const refused = Object.entries(packages).filter(([, { licenses }]) => {
    const names = (Array.isArray(licenses) ? licenses : [licenses])
      .join(' OR ')
      .replaceAll(/[()*]/g, '')
      .split(/ OR /);
    return !names.some((name) => name.split(' AND ').every((part) => allowed.includes(part.trim())));
  });
  for (const [name, { licenses }] of refused) console.error(`${name}: ${licenses}`);
  console.log(
    `${Object.keys(packages).length} packages, ${refused.length} with a licence that is not allowed`,
  );
  process.exit(refused.length === 0 ? 0 : 1);
});
