import { parseArgs } from 'node:util';
import { hasNamespaces, loopbackNetwork, namespaceNetwork } from './network.ts';
import { isClean, reportText } from './report.ts';
import { soak } from './soak.ts';

const nodeCount = 3;

/** `npm run soak:cluster -- --minutes 20 --failovers 100`; `--network loopback` where namespaces are not wanted. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      failovers: { type: 'string', default: '0' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      network: { type: 'string', default: hasNamespaces() ? 'namespaces' : 'loopback' },
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  const network =
    values.network === 'namespaces' ? namespaceNetwork(nodeCount) : await loopbackNetwork(nodeCount);
  console.log(`seed ${values.seed}, ${nodeCount} nodes, network: ${values.network}`);
  const report = await soak({
    network,
    minutes: Number(values.minutes),
    failovers: Number(values.failovers),
    seed: Number(values.seed),
    note: (happening) => console.log(happening),
  });
  console.log(reportText(report));
  process.exitCode = isClean(report) ? 0 : 1;
}

await main();
