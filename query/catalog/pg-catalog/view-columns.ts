/** Views of pg_catalog, written like the tables. */
export const viewColumns = `
12085 pg_available_extension_versions: name name, version text, installed bool, superuser bool, trusted
  bool, relocatable bool, schema name, requires _name, comment text
12081 pg_available_extensions: name name, default_version text, installed_version text, comment text
12077 pg_cursors: name text, statement text, is_holdable bool, is_binary bool, is_scrollable bool,
  creation_time timestamptz
12010 pg_group: groname name, grosysid oid, grolist _oid
12043 pg_indexes: schemaname name, tablename name, indexname name, tablespace name, indexdef text
12073 pg_locks: locktype text, database oid, relation oid, page int4, tuple int2, virtualxid text,
  transactionid xid, classid oid, objid oid, objsubid int2, virtualtransaction text, pid int4, mode text,
  granted bool, fastpath bool, waitstart timestamptz
12038 pg_matviews: schemaname name, matviewname name, matviewowner name, tablespace name, hasindexes bool,
  ispopulated bool, definition text
12018 pg_policies: schemaname name, tablename name, policyname name, permissive text, roles _name, cmd
  text, qual text, with_check text
12095 pg_prepared_statements: name text, statement text, prepare_time timestamptz, parameter_types
  _regtype, from_sql bool, generic_plans int8, custom_plans int8
12090 pg_prepared_xacts: transaction xid, gid text, prepared timestamptz, owner name, database name
12068 pg_publication_tables: pubname name, schemaname name, tablename name, attnames _name, rowfilter text
12000 pg_roles: rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool,
  rolcanlogin bool, rolreplication bool, rolconnlimit int4, rolpassword text, rolvaliduntil timestamptz,
  rolbypassrls bool, rolconfig _text, oid oid
12023 pg_rules: schemaname name, tablename name, rulename name, definition text
12099 pg_seclabels: objoid oid, classoid oid, objsubid int4, objtype text, objnamespace oid, objname text,
  provider text, label text
12048 pg_sequences: schemaname name, sequencename name, sequenceowner name, data_type regtype, start_value
  int8, min_value int8, max_value int8, increment_by int8, cycle bool, cache_size int8, last_value int8
12104 pg_settings: name text, setting text, unit text, category text, short_desc text, extra_desc text,
  context text, vartype text, source text, min_val text, max_val text, enumvals _text, boot_val text,
  reset_val text, sourcefile text, sourceline int4, pending_restart bool
12005 pg_shadow: usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls
  bool, passwd text, valuntil timestamptz, useconfig _text
12222 pg_stat_activity: datid oid, datname name, pid int4, leader_pid int4, usesysid oid, usename name,
  application_name text, client_addr text, client_hostname text, client_port int4, backend_start
  timestamptz, xact_start timestamptz, query_start timestamptz, state_change timestamptz, wait_event_type
  text, wait_event text, state text, backend_xid xid, backend_xmin xid, query_id int8, query text,
  backend_type text
12183 pg_stat_all_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_scan int8, idx_tup_read int8, idx_tup_fetch int8
12142 pg_stat_all_tables: relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8,
  idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8,
  n_live_tup int8, n_dead_tup int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum
  timestamptz, last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz,
  vacuum_count int8, autovacuum_count int8, analyze_count int8, autoanalyze_count int8
12266 pg_stat_database: datid oid, datname name, numbackends int4, xact_commit int8, xact_rollback int8,
  blks_read int8, blks_hit int8, tup_returned int8, tup_fetched int8, tup_inserted int8, tup_updated int8,
  tup_deleted int8, conflicts int8, temp_files int8, temp_bytes int8, deadlocks int8, checksum_failures
  int8, checksum_last_failure timestamptz, blk_read_time float8, blk_write_time float8, session_time
  float8, active_time float8, idle_in_transaction_time float8, sessions int8, sessions_abandoned int8,
  sessions_fatal int8, sessions_killed int8, stats_reset timestamptz
12227 pg_stat_replication: pid int4, usesysid oid, usename name, application_name text, client_addr text,
  client_hostname text, client_port int4, backend_start timestamptz, backend_xmin xid, state text, sent_lsn
  text, write_lsn text, flush_lsn text, replay_lsn text, write_lag interval, flush_lag interval, replay_lag
  interval, sync_priority int4, sync_state text, reply_time timestamptz
12249 pg_stat_ssl: pid int4, ssl bool, version text, cipher text, bits int4, client_dn text, client_serial
  numeric, issuer_dn text
12188 pg_stat_sys_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_scan int8, idx_tup_read int8, idx_tup_fetch int8
12152 pg_stat_sys_tables: relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8,
  idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8,
  n_live_tup int8, n_dead_tup int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum
  timestamptz, last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz,
  vacuum_count int8, autovacuum_count int8, analyze_count int8, autoanalyze_count int8
12275 pg_stat_user_functions: funcid oid, schemaname name, funcname name, calls int8, total_time float8,
  self_time float8
12192 pg_stat_user_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_scan int8, idx_tup_read int8, idx_tup_fetch int8
12161 pg_stat_user_tables: relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8,
  idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8,
  n_live_tup int8, n_dead_tup int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum
  timestamptz, last_autovacuum timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz,
  vacuum_count int8, autovacuum_count int8, analyze_count int8, autoanalyze_count int8
12196 pg_statio_all_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_blks_read int8, idx_blks_hit int8
12209 pg_statio_all_sequences: relid oid, schemaname name, relname name, blks_read int8, blks_hit int8
12170 pg_statio_all_tables: relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit
  int8, idx_blks_read int8, idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read
  int8, tidx_blks_hit int8
12201 pg_statio_sys_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_blks_read int8, idx_blks_hit int8
12214 pg_statio_sys_sequences: relid oid, schemaname name, relname name, blks_read int8, blks_hit int8
12175 pg_statio_sys_tables: relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit
  int8, idx_blks_read int8, idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read
  int8, tidx_blks_hit int8
12205 pg_statio_user_indexes: relid oid, indexrelid oid, schemaname name, relname name, indexrelname name,
  idx_blks_read int8, idx_blks_hit int8
12218 pg_statio_user_sequences: relid oid, schemaname name, relname name, blks_read int8, blks_hit int8
12179 pg_statio_user_tables: relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit
  int8, idx_blks_read int8, idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read
  int8, tidx_blks_hit int8
12053 pg_stats: schemaname name, tablename name, attname name, inherited bool, null_frac float4, avg_width
  int4, n_distinct float4, most_common_vals anyarray, most_common_freqs _float4, histogram_bounds
  anyarray, correlation float4, most_common_elems anyarray, most_common_elem_freqs _float4,
  elem_count_histogram _float4
12058 pg_stats_ext: schemaname name, tablename name, statistics_schemaname name, statistics_name name,
  statistics_owner name, attnames _name, exprs _text, kinds _char, inherited bool, n_distinct bytea,
  dependencies bytea, most_common_vals _text, most_common_val_nulls _bool, most_common_freqs _float8,
  most_common_base_freqs _float8
12033 pg_tables: schemaname name, tablename name, tableowner name, tablespace name, hasindexes bool,
  hasrules bool, hastriggers bool, rowsecurity bool
12122 pg_timezone_abbrevs: abbrev text, utc_offset interval, is_dst bool
12126 pg_timezone_names: name text, abbrev text, utc_offset interval, is_dst bool
12014 pg_user: usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls
  bool, passwd text, valuntil timestamptz, useconfig _text
12028 pg_views: schemaname name, viewname name, viewowner name, definition text
12327 pg_user_mappings: umid oid, srvid oid, srvname name, umuser oid, usename name, umoptions _text
`;
