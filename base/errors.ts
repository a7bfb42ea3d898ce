/** PostgreSQL's names of the conditions that Alopex raises, with their SQLSTATE. The set is closed. */
export const sqlStates = {
  successful_completion: '00000',
  warning: '01000',
  no_data: '02000',
  connection_exception: '08000',
  connection_does_not_exist: '08003',
  connection_failure: '08006',
  protocol_violation: '08P01',
  feature_not_supported: '0A000',
  invalid_role_specification: '0P000',
  cardinality_violation: '21000',
  array_subscript_error: '2202E',
  character_not_in_repertoire: '22021',
  datetime_field_overflow: '22008',
  division_by_zero: '22012',
  invalid_argument_for_logarithm: '2201E',
  invalid_argument_for_power_function: '2201F',
  invalid_argument_for_width_bucket_function: '2201G',
  invalid_row_count_in_limit_clause: '2201W',
  invalid_row_count_in_result_offset_clause: '2201X',
  invalid_escape_sequence: '22025',
  invalid_regular_expression: '2201B',
  invalid_datetime_format: '22007',
  invalid_time_zone_displacement_value: '22009',
  interval_field_overflow: '22015',
  invalid_parameter_value: '22023',
  null_value_not_allowed: '22004',
  numeric_value_out_of_range: '22003',
  string_data_right_truncation: '22001',
  substring_error: '22011',
  untranslatable_character: '22P05',
  invalid_text_representation: '22P02',
  invalid_binary_representation: '22P03',
  bad_copy_file_format: '22P04',
  data_exception: '22000',
  invalid_json_text: '22032',
  sequence_generator_limit_exceeded: '2200H',
  integrity_constraint_violation: '23000',
  not_null_violation: '23502',
  foreign_key_violation: '23503',
  unique_violation: '23505',
  check_violation: '23514',
  invalid_cursor_state: '24000',
  invalid_transaction_state: '25000',
  active_sql_transaction: '25001',
  read_only_sql_transaction: '25006',
  no_active_sql_transaction: '25P01',
  in_failed_sql_transaction: '25P02',
  idle_in_transaction_session_timeout: '25P03',
  invalid_sql_statement_name: '26000',
  invalid_authorization_specification: '28000',
  invalid_password: '28P01',
  dependent_objects_still_exist: '2BP01',
  invalid_cursor_name: '34000',
  invalid_savepoint_specification: '3B001',
  invalid_catalog_name: '3D000',
  invalid_grant_operation: '0LP01',
  warning_privilege_not_granted: '01007',
  warning_privilege_not_revoked: '01006',
  invalid_schema_name: '3F000',
  transaction_rollback: '40000',
  serialization_failure: '40001',
  statement_completion_unknown: '40003',
  deadlock_detected: '40P01',
  syntax_error: '42601',
  insufficient_privilege: '42501',
  cannot_coerce: '42846',
  grouping_error: '42803',
  windowing_error: '42P20',
  invalid_recursion: '42P19',
  invalid_foreign_key: '42830',
  invalid_name: '42602',
  name_too_long: '42622',
  reserved_name: '42939',
  datatype_mismatch: '42804',
  indeterminate_datatype: '42P18',
  collation_mismatch: '42P21',
  wrong_object_type: '42809',
  generated_always: '428C9',
  undefined_column: '42703',
  undefined_function: '42883',
  undefined_table: '42P01',
  undefined_parameter: '42P02',
  ambiguous_parameter: '42P08',
  ambiguous_alias: '42P09',
  undefined_object: '42704',
  duplicate_column: '42701',
  duplicate_cursor: '42P03',
  duplicate_database: '42P04',
  duplicate_function: '42723',
  duplicate_prepared_statement: '42P05',
  duplicate_schema: '42P06',
  duplicate_table: '42P07',
  duplicate_alias: '42712',
  duplicate_object: '42710',
  ambiguous_column: '42702',
  ambiguous_function: '42725',
  invalid_column_reference: '42P10',
  invalid_column_definition: '42611',
  invalid_table_definition: '42P16',
  invalid_object_definition: '42P17',
  with_check_option_violation: '44000',
  insufficient_resources: '53000',
  disk_full: '53100',
  out_of_memory: '53200',
  too_many_connections: '53300',
  configuration_limit_exceeded: '53400',
  program_limit_exceeded: '54000',
  statement_too_complex: '54001',
  too_many_columns: '54011',
  too_many_arguments: '54023',
  object_not_in_prerequisite_state: '55000',
  object_in_use: '55006',
  cant_change_runtime_param: '55P02',
  lock_not_available: '55P03',
  operator_intervention: '57000',
  query_canceled: '57014',
  admin_shutdown: '57P01',
  crash_shutdown: '57P02',
  cannot_connect_now: '57P03',
  idle_session_timeout: '57P05',
  system_error: '58000',
  io_error: '58030',
  undefined_file: '58P01',
  snapshot_too_old: '72000',
  config_file_error: 'F0000',
  lock_file_exists: 'F0001',
  internal_error: 'XX000',
  data_corrupted: 'XX001',
  index_corrupted: 'XX002',
} as const;

export type Condition = keyof typeof sqlStates;

export type ErrorFields = {
  readonly detail?: string;
  readonly hint?: string;
  /** Place in the statement's text, in characters, starting at 1. */
  readonly position?: number;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly dataType?: string;
  readonly constraint?: string;
  readonly where?: string;
  readonly cause?: unknown;
};

/** The one error class: a closed set of conditions, and PostgreSQL's error fields. */
export class AlopexError extends Error {
  override readonly name = 'AlopexError';
  readonly condition: Condition;
  readonly fields: ErrorFields;

  constructor(condition: Condition, message: string, fields: ErrorFields = {}) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.condition = condition;
    this.fields = fields;
  }

  /** The SQLSTATE, five characters; named as node-postgres names it. */
  get code(): string {
    return sqlStates[this.condition];
  }
  get detail(): string | undefined {
    return this.fields.detail;
  }
  get hint(): string | undefined {
    return this.fields.hint;
  }
  get position(): number | undefined {
    return this.fields.position;
  }

  with(fields: ErrorFields): AlopexError {
    const error = new AlopexError(this.condition, this.message, { ...this.fields, ...fields });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }
}

/** 0A000, naming the construct and its place. */
export function unsupported(construct: string, position?: number): AlopexError {
  return new AlopexError(
    'feature_not_supported',
    `${construct} is not supported yet`,
    position === undefined ? {} : { position },
  );
}

/** What a transaction holds and has written is gone with the lead that it began under. */
export function leaderChanged(): AlopexError {
  return new AlopexError(
    'serialization_failure',
    'could not serialize access: the leader of the range changed',
  );
}

/** XX001, naming the file and the byte offset in it. Corruption is named, never served. */
export function corrupted(file: string, byteOffset: number, problem: string): AlopexError {
  return new AlopexError('data_corrupted', `${file} is corrupt at byte ${byteOffset}: ${problem}`);
}

/** Unknown errors become known ones at the edge. */
export function asAlopexError(thrown: unknown): AlopexError {
  if (thrown instanceof AlopexError) return thrown;
  if (thrown instanceof RangeError && /call stack/i.test(thrown.message)) {
    return new AlopexError('statement_too_complex', 'stack depth limit exceeded', { cause: thrown });
  }
  if (
    thrown instanceof RangeError &&
    /invalid (string|array|typed array) length|bigint/i.test(thrown.message)
  ) {
    return new AlopexError('program_limit_exceeded', 'the value is too large', { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new AlopexError('internal_error', message, { cause: thrown });
}
