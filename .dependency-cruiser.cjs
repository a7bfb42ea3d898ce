// Layers: tools -> api -> query -> materializers -> log -> base. Imports only go down.
const order = ['base', 'log', 'materializers', 'query', 'api', 'tools'];
const isomorphic =
  '^(base/(bytes|values|errors|ids|unreachable|hlc)|log/(record|events)|materializers/rows|query/(types|sql|catalog|plan|exec))';
module.exports = {
  forbidden: [
    ...order.map((layer, index) => ({
      name: `${layer}-imports-only-down`,
      severity: 'error',
      from: { path: `^${layer}/`, pathNot: '\\.test\\.ts$' },
      to: { path: `^(${[...order.slice(index + 1), 'benchmarks', 'test'].join('|')})/` },
    })),
    {
      name: 'isomorphic-is-free-of-node',
      comment: 'These folders run unchanged in a browser.',
      severity: 'error',
      from: { path: isomorphic, pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: ['\\.test\\.ts$', '\\.d\\.ts$', '^(tools|benchmarks|test|bin|examples)/', '^api/index'],
      },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'require', 'node', 'default'],
    },
  },
};
