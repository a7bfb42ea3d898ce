import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { offset, timestamp } from '../../base/ids.ts';
import {
  byAge,
  decodeManifest,
  encodeManifest,
  type Manifest,
  readManifest,
  writeManifest,
} from './manifest.ts';

const manifest: Manifest = {
  applied: offset(1000),
  timestamp: timestamp(77),
  replayFrom: offset(990),
  nextFile: 4,
  files: [
    { number: 3, length: 12_345, level: 0, order: 1000 },
    {
      number: 2,
      length: 678,
      level: 0,
      order: 990,
      commit: { timestamp: timestamp(75), place: 1, voidFrom: offset(985) },
    },
  ],
  horizons: [[1, 70]],
  dropped: [],
};

describe('manifest', () => {
  it('is written whole and read back', async () => {
    await new Simulation(1).machine('a').run(async ({ disk }) => {
      await disk.makeDirectory('/rows');
      expect(await readManifest(disk, '/rows')).to.equal(null);
      await writeManifest(disk, '/rows', { ...manifest, nextFile: 3 });
      await writeManifest(disk, '/rows', manifest);
      expect(await readManifest(disk, '/rows')).to.deep.equal(manifest);
    });
  });

  it('notices every flipped bit, and names the file', () => {
    const bytes = encodeManifest(manifest);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const harmed = bytes.slice();
      harmed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeManifest(harmed, '/rows/MANIFEST'), `bit ${bit}`).to.throw('/rows/MANIFEST');
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeManifest(bytes.subarray(0, length), 'MANIFEST')).to.throw('corrupt');
    }
  });

  it('refuses a newer format by name', () => {
    const newer = encodeManifest(manifest, 9);
    expect(() => decodeManifest(newer, '/rows/MANIFEST'))
      .to.throw('/rows/MANIFEST has format version 9; this program reads up to version 2')
      .with.property('code', '0A000');
  });

  it('has the newest files first, and of one commit those that were written last', () => {
    const [flushed, own] = manifest.files;
    const later = { ...own!, commit: { ...own!.commit!, place: 2 } };
    const deep = { ...flushed!, level: 1, order: 0 };
    expect([deep, own!, later, flushed!].toSorted(byAge)).to.deep.equal([flushed, later, own, deep]);
  });

  it('has the bytes of docs/formats/manifest.md', () => {
    const document = readFileSync(new URL('../../docs/formats/manifest.md', import.meta.url), 'utf8');
    const hex = /```hex\n([\s\S]*?)```/.exec(document)![1]!.replace(/\s/g, '');
    expect(Buffer.from(encodeManifest(manifest)).toString('hex')).to.equal(hex);
  });
});
