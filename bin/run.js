// The published package has plain JavaScript in dist/; a clone runs its TypeScript directly.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);

/** @param {string} tool */
export async function run(tool) {
  if (major < 22 || (major === 22 && minor < 18)) {
    console.error(
      `${tool} needs Node 22.18 or newer, and this is ${process.version}; from a clone, \`npx ${tool}\` brings its own.`,
    );
    process.exit(1);
  }
  const built = new URL(`../dist/tools/${tool}/main.js`, import.meta.url);
  const source = new URL(`../tools/${tool}/main.ts`, import.meta.url);
  await import((existsSync(fileURLToPath(source)) ? source : built).href);
}
