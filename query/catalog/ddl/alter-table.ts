import type { AlterTableCmd, AlterTableStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { alterTableName } from '../../sql/words.ts';
import type { RelationDefinition } from '../definition.ts';
import { addColumn, dropColumn, setDefault, setNotNull } from './alter-column.ts';
import { addConstraint, dropConstraint } from './alter-constraint.ts';
import { addIdentity, dropIdentity, setIdentity } from './alter-identity.ts';
import type { DdlResult } from './context.ts';
import { requireTablespace } from './create-table.ts';
import type { CatalogEditor } from './editor.ts';
import {
  findColumn,
  findRelation,
  nameOf,
  type Relation,
  requireKind,
  requireOwner,
  undefinedRelation,
} from './lookup.ts';
import {
  historyMsDefault,
  historyMsOf,
  historyParameter,
  optionsOf,
  parameterName,
  storageParameters,
} from './options.ts';
import { newOwner, withOwner } from './owner.ts';

export function alterTable(editor: CatalogEditor, statement: AlterTableStmt): DdlResult {
  const tag = `ALTER ${(statement.objtype ?? 'OBJECT_TABLE').replace('OBJECT_', '').replaceAll('_', ' ')}`;
  const name = nameOf(statement.relation);
  const relation = findRelation(editor, name);
  if (relation === undefined) {
    if (statement.missing_ok !== true) throw undefinedRelation(name);
    editor.notice(`relation "${name.name}" does not exist, skipping`);
    return editor.finish(tag);
  }
  requireOwner(editor, relation);
  const commands = (statement.cmds ?? []).flatMap((node) =>
    'AlterTableCmd' in node ? [node.AlterTableCmd] : [],
  );
  if (statement.objtype === 'OBJECT_TABLE') {
    requireKind(relation, 'table');
    // As PostgreSQL does: drops first, then new columns, then what may be said of them.
    for (const pass of [0, 1, 2, 3]) {
      for (const command of commands) {
        if (passOf(command) === pass) alter(editor, editor.table(relation.id), command);
      }
    }
  } else {
    for (const command of commands) alterOther(editor, relation, command);
  }
  return editor.finish(tag);
}

function passOf({ subtype }: AlterTableCmd): number {
  if (subtype === 'AT_DropColumn' || subtype === 'AT_DropConstraint') return 0;
  if (subtype === 'AT_AddColumn') return 1;
  return subtype === 'AT_AddConstraint' ? 3 : 2;
}

function alter(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  switch (command.subtype) {
    case 'AT_AddColumn':
      addColumn(editor, table, command);
      break;
    case 'AT_DropColumn':
      dropColumn(editor, table, command);
      break;
    case 'AT_ColumnDefault':
      setDefault(editor, table, command);
      break;
    case 'AT_SetNotNull':
      setNotNull(editor, table, command.name ?? '', true);
      break;
    case 'AT_DropNotNull':
      setNotNull(editor, table, command.name ?? '', false);
      break;
    case 'AT_AddIdentity':
      addIdentity(editor, table, command);
      break;
    case 'AT_SetIdentity':
      setIdentity(editor, table, command);
      break;
    case 'AT_DropIdentity':
      dropIdentity(editor, table, command);
      break;
    case 'AT_AddConstraint':
      addConstraint(editor, table, command);
      break;
    case 'AT_DropConstraint':
      dropConstraint(editor, table, command);
      break;
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions':
      setParameters(editor, table, command);
      break;
    case 'AT_ChangeOwner':
      editor.put(withOwner(table, newOwner(editor, command.newowner)));
      break;
    case 'AT_SetStatistics':
    case 'AT_SetOptions':
    case 'AT_ResetOptions':
    case 'AT_SetStorage':
    case 'AT_SetCompression':
      // Advice to PostgreSQL's planner and storage; nothing here heeds it, but the column must exist.
      findColumn(table, command.name ?? '');
      break;
    case 'AT_SetTableSpace':
      requireTablespace(command.name);
      break;
    case 'AT_SetLogged':
    case 'AT_DropCluster':
      break;
    default:
      throw unsupported(`ALTER TABLE … ${alterTableName(command.subtype)}`);
  }
}

function alterOther(editor: CatalogEditor, relation: Relation, command: AlterTableCmd): void {
  if (command.subtype === 'AT_ChangeOwner' && relation.kind === 'sequence') {
    editor.put(withOwner(relation, newOwner(editor, command.newowner)));
    return;
  }
  if (relation.kind === 'index' && command.subtype === 'AT_SetRelOptions') {
    const nodes = command.def !== undefined && 'List' in command.def ? command.def.List.items : [];
    storageParameters(nodes, 'index');
    return;
  }
  if (relation.kind === 'table') {
    throw new AlopexError('wrong_object_type', `"${relation.name}" is a table`);
  }
  throw unsupported(`ALTER ${relation.kind.toUpperCase()} … ${alterTableName(command.subtype)}`);
}

function setParameters(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const nodes = command.def !== undefined && 'List' in command.def ? command.def.List.items : [];
  let options: Record<string, string> = { ...table.options };
  if (command.subtype === 'AT_SetRelOptions') options = { ...options, ...storageParameters(nodes, 'table') };
  else for (const option of optionsOf(nodes)) delete options[parameterName(option, 'table')];
  const history = options[historyParameter];
  const historyMs = history === undefined ? historyMsDefault : historyMsOf(history);
  editor.put({ ...table, options, layout: { ...table.layout, historyMs } });
}
