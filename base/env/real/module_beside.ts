/** The URL of a thread's entry: `.ts` in a source tree, `.js` in the published package. */
export function moduleBeside(caller: string, name: string): URL {
  return new URL(`./${name}${caller.endsWith('.ts') ? '.ts' : '.js'}`, caller);
}
