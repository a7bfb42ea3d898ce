/**
 * pg_cast: source, target, context (i implicit, a assignment, e explicit), then the function; none where both
 * have the same form, `io` through the text. Casts of a type to itself are `applyModifier`.
 */
export const castTable = `
bool bpchar a booltext; bool int4 e bool_int4; bool text a booltext; bool varchar a booltext;
bpchar char a text_char; bpchar name i bpchar_name; bpchar text i rtrim1; bpchar varchar i rtrim1;
char bpchar a char_bpchar; char int4 e chartoi4; char text i char_text; char varchar a char_text;
date timestamp i date_timestamp; date timestamptz i date_timestamptz; float4 float8 i ftod; float4 int2 a ftoi2;
float4 int4 a ftoi4; float4 int8 a ftoi8; float4 numeric a float4_numeric; float8 float4 a dtof;
float8 int2 a dtoi2; float8 int4 a dtoi4; float8 int8 a dtoi8; float8 numeric a float8_numeric;
int2 float4 i i2tof; int2 float8 i i2tod; int2 int4 i i2toi4; int2 int8 i int28; int2 numeric i int2_numeric;
int2 oid i i2toi4; int2 regclass i i2toi4; int2 regnamespace i i2toi4; int2 regoper i i2toi4;
int2 regoperator i i2toi4; int2 regproc i i2toi4; int2 regprocedure i i2toi4; int2 regrole i i2toi4;
int2 regtype i i2toi4; int4 bool e int4_bool; int4 char e i4tochar; int4 float4 i i4tof; int4 float8 i i4tod;
int4 int2 a i4toi2; int4 int8 i int48; int4 numeric i int4_numeric; int4 oid i; int4 regclass i;
int4 regnamespace i; int4 regoper i; int4 regoperator i; int4 regproc i; int4 regprocedure i; int4 regrole i;
int4 regtype i; int8 float4 i i8tof; int8 float8 i i8tod; int8 int2 a int82; int8 int4 a int84;
int8 numeric i int8_numeric; int8 oid i i8tooid; int8 regclass i i8tooid; int8 regnamespace i i8tooid;
int8 regoper i i8tooid; int8 regoperator i i8tooid; int8 regproc i i8tooid; int8 regprocedure i i8tooid;
int8 regrole i i8tooid; int8 regtype i i8tooid; interval time a interval_time; json jsonb a io;
jsonb bool e jsonb_bool; jsonb float4 e jsonb_float4; jsonb float8 e jsonb_float8; jsonb int2 e jsonb_int2;
jsonb int4 e jsonb_int4; jsonb int8 e jsonb_int8; jsonb json a io; jsonb numeric e jsonb_numeric;
name bpchar a name_bpchar; name text i name_text; name varchar a name_text; numeric float4 i numeric_float4;
numeric float8 i numeric_float8; numeric int2 a numeric_int2; numeric int4 a numeric_int4;
numeric int8 a numeric_int8; oid int4 a; oid int8 a oidtoi8; oid regclass i; oid regnamespace i; oid regoper i;
oid regoperator i; oid regproc i; oid regprocedure i; oid regrole i; oid regtype i; pg_node_tree text i;
regclass int4 a; regclass int8 a oidtoi8; regclass oid i; regnamespace int4 a; regnamespace int8 a oidtoi8;
regnamespace oid i; regoper int4 a; regoper int8 a oidtoi8; regoper oid i; regoper regoperator i;
regoperator int4 a; regoperator int8 a oidtoi8; regoperator oid i; regoperator regoper i; regproc int4 a;
regproc int8 a oidtoi8; regproc oid i; regproc regprocedure i; regprocedure int4 a; regprocedure int8 a oidtoi8;
regprocedure oid i; regprocedure regproc i; regrole int4 a; regrole int8 a oidtoi8; regrole oid i;
regtype int4 a; regtype int8 a oidtoi8; regtype oid i; text bpchar i; text char a text_char;
text name i text_name; text regclass i text_regclass; text varchar i; time interval i time_interval;
timestamp date a timestamp_date; timestamp time a timestamp_time; timestamp timestamptz i timestamp_timestamptz;
timestamptz date a timestamptz_date; timestamptz time a timestamptz_time;
timestamptz timestamp a timestamptz_timestamp; varchar bpchar i; varchar char a text_char;
varchar name i text_name; varchar regclass i text_regclass; varchar text i;
vector _float4 i vector_to_float4; _int4 vector a array_to_vector; _float4 vector a array_to_vector;
_float8 vector a array_to_vector; _numeric vector a array_to_vector
`;
