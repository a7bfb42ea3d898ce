import { setFlagsFromString } from 'node:v8';

const growthFactor = '--semi-space-growth-factor';
const growthFactorOfV8 = 2;
/** A program that imports the package and opens nothing soon has V8's own again after this. */
const heldMsMax = 2000;

/**
 * From the import on, until the first database is open, V8's space for young objects stays as small as it is: loading
 * and opening make much that is soon garbage, and what the heap has once taken from the system for it, some 10 MB, V8 13 of
 * Node 24 keeps for good.
 */
setFlagsFromString(`${growthFactor}=1`);
const timer = setTimeout(releaseYoungSpace, heldMsMax).unref();

/** Lets it grow again, as V8 would. */
export function releaseYoungSpace(): void {
  clearTimeout(timer);
  setFlagsFromString(`${growthFactor}=${growthFactorOfV8}`);
}
