// Loaded before the tests (`npm run test:portable`): as after `npm i --omit=optional`, no native addon can be had.
import { registerHooks } from 'node:module';

const addons = new Set(['@node-rs/crc32']);

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (!addons.has(specifier)) return nextResolve(specifier, context);
    throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: 'MODULE_NOT_FOUND' });
  },
});
