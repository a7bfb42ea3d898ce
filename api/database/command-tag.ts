/** 'INSERT 0 3' is INSERT of 3 rows; 'CREATE TABLE' has no count. */
export function parseTag(tag: string): { readonly command: string; readonly rowCount: number } {
  const match = /^([A-Z ]+?)(?: 0)?(?: (\d+))?$/.exec(tag);
  return { command: match?.[1] ?? tag, rowCount: Number(match?.[2] ?? 0) };
}
