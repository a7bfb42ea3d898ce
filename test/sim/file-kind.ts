/** What a file of a database is for, by its path. */
export function fileKind(file: string): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  if (name.startsWith('MANIFEST')) return 'manifest';
  if (name === 'mark') return 'mark';
  const dot = name.lastIndexOf('.');
  if (dot < 0) return 'directory';
  return { log: 'segment', index: 'index', sst: 'sstable' }[name.slice(dot + 1)] ?? name.slice(dot + 1);
}
