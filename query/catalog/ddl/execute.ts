import type { Node } from 'libpg-query';
import { invariant } from '../../../base/unreachable.ts';
import { alterTable } from './alter-table.ts';
import { comment } from './comment.ts';
import type { DdlContext, DdlResult } from './context.ts';
import { createIndex } from './create-index.ts';
import { createTable } from './create-table.ts';
import { drop } from './drop.ts';
import { CatalogEditor } from './editor.ts';
import { grant, grantRole } from './grant.ts';
import { alterOwner, rename, setSchema } from './rename.ts';
import { alterRole, createRole, dropRole } from './role.ts';
import { createSchema } from './schema.ts';
import { alterSequence, createSequence } from './sequence.ts';
import { truncate } from './truncate.ts';

type NodeOf<Kind extends string> =
  Extract<Node, Record<Kind, unknown>> extends Record<Kind, infer Body> ? Body : never;

const statements = {
  CreateStmt: createTable,
  AlterTableStmt: alterTable,
  DropStmt: drop,
  IndexStmt: createIndex,
  CreateSeqStmt: createSequence,
  AlterSeqStmt: alterSequence,
  CreateSchemaStmt: createSchema,
  RenameStmt: rename,
  AlterObjectSchemaStmt: setSchema,
  AlterOwnerStmt: alterOwner,
  TruncateStmt: truncate,
  CreateRoleStmt: createRole,
  AlterRoleStmt: alterRole,
  DropRoleStmt: dropRole,
  GrantStmt: grant,
  GrantRoleStmt: grantRole,
  CommentStmt: comment,
} as const;

export type DdlKind = keyof typeof statements;

/** Whether a statement's node (by its tag in the parse tree) is DDL that this folder carries out. */
export function isDdl(kind: string): kind is DdlKind {
  return Object.hasOwn(statements, kind);
}

/**
 * What a DDL statement changes: a pure function of the statement and its context. Throws AlopexError with
 * PostgreSQL's code and words; 0A000 names what is not supported.
 */
export function executeDdl(statement: Node, context: DdlContext): DdlResult {
  const [kind, body] = Object.entries(statement)[0]!;
  invariant(isDdl(kind), `${kind} is DDL`);
  const execute = statements[kind] as (editor: CatalogEditor, body: NodeOf<DdlKind>) => DdlResult;
  return execute(new CatalogEditor(context), body as NodeOf<DdlKind>);
}
