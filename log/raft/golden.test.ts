import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Script } from './golden/script.ts';

/**
 * Each file is a script: a title, and commands (`> …`) with what came of them. `UPDATE_GOLDEN=1` writes what comes of them
 * now; the difference is then to be read.
 */
const directory = new URL('./golden/', import.meta.url);

function replay(text: string): string {
  const script = new Script();
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') lines.push(line);
    else if (line.startsWith('> ')) lines.push(line, ...script.run(line.slice(2)));
  }
  return lines.join('\n');
}

describe('log/raft, by the sections of the thesis', () => {
  for (const name of readdirSync(directory)
    .filter((file) => file.endsWith('.golden.txt'))
    .sort()) {
    const file = new URL(name, directory);
    const text = readFileSync(file, 'utf8');
    it(text.split('\n')[0]!.slice(2), () => {
      const replayed = replay(text);
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, replayed);
      else expect(replayed).to.equal(text);
    });
  }
});
