/** Views of schema alopex, written like those of pg_catalog: the cluster as the node that is asked knows it. */
export const viewColumns = `
13010 replication: node int4, role text, client text, mesh text, is_self bool, position int8, lag int8,
  is_in_sync bool, silent_ms float8, state text
13011 cluster: name text, mode text, epoch int8, high_watermark int8, applied int8, staleness_ms float8,
  failover text
13012 statements: node int4, reads int8, writes int8, forwarded_reads int8, forwarded_writes int8
`;
