// Makes the package in dist/: our own code bundled, because five hundred small files take longer to load than to run,
// and declarations in dist/types. What comes from npm stays outside of the bundle, under its own name and licence.
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const dist = join(root, 'dist');

/** What a program imports or starts, by its name in dist/. */
const programs = {
  index: 'api/index.ts',
  // By itself, so that it is evaluated before what it is for.
  'young-space': 'api/young-space.ts',
  'alopex-server': 'tools/alopex-server/main.ts',
  'alopex-cli': 'tools/alopex-cli/main.ts',
};

/** Entries of threads: `moduleBeside` looks for them under their own names. */
const threads = Object.fromEntries(
  shipped('base/env/real/*_thread.ts').map((path) => [path.slice(path.lastIndexOf('/') + 1, -3), path]),
);

/** Modules that a worker thread loads: each names itself by `import.meta.url`, which in a bundle names the whole. */
const ownModule = 'module: import.meta.url';
const tasks = Object.fromEntries(
  shipped('{log,materializers,query,api}/**/*.ts')
    .filter((path) => readFileSync(join(root, path), 'utf8').includes(ownModule))
    .map((path) => [path.slice(0, -3).replaceAll('/', '-'), path]),
);

function shipped(pattern) {
  return globSync(pattern, { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !/\.(test|fixture)\.ts$/.test(path));
}

const namedTasks = {
  name: 'tasks are entries of their own',
  setup({ onLoad }) {
    const paths = new Map(Object.entries(tasks).map(([name, path]) => [join(root, path), name]));
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const name = paths.get(path);
      if (name === undefined) return null;
      const contents = readFileSync(path, 'utf8').replaceAll(
        ownModule,
        `module: new URL('./${name}.js', import.meta.url).href`,
      );
      return { contents, loader: 'ts' };
    });
  },
};

rmSync(dist, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { ...programs, ...threads, ...tasks },
  outdir: dist,
  bundle: true,
  splitting: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node22.15',
  chunkNames: 'shared-[hash]',
  // An error is shown by the name of its class.
  keepNames: true,
  logLevel: 'warning',
  plugins: [namedTasks],
});
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const declarations = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
process.exit(declarations.status ?? 1);
