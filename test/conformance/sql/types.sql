CREATE TABLE ty (id int PRIMARY KEY, b bool, s int2, i int4, l int8, f float4, g float8, n numeric, m numeric(10,3), t text, v varchar(4), c char(4), y bytea, d date, ti time, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, ia int[], ta text[]);
INSERT INTO ty VALUES (1, 't', -32768, 2147483647, -9223372036854775808, 1.5, 1e308, '123456789012345678901234567890.123456789', 1.2345, 'naïve 😀', 'abcd', 'ab', '\x00ff', '2024-02-29', '23:59:59.999999', '2024-02-29 12:00', '2024-02-29 12:00+05:30', '1 year 2 mons 3 days 04:05:06.7', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"b":1,  "a":[1, 2]}', '{"b":1, "a":[1, 2], "b":2}', '{1,NULL,3}', '{a,"b c","NULL",NULL}');
INSERT INTO ty (id, b, g, n, f, d, ts) VALUES (2, 'off', 'NaN', 'NaN', '-Infinity', 'infinity', '-infinity');
INSERT INTO ty (id, d, ts, tz) VALUES (3, '0044-03-15 BC', '9999-12-31 23:59:59.999999', '1883-11-18 00:00+00');
SELECT * FROM ty ORDER BY id;
INSERT INTO ty (id, s) VALUES (9, 32768);
INSERT INTO ty (id, b) VALUES (9, 'maybe');
INSERT INTO ty (id, v) VALUES (9, 'abcde');
INSERT INTO ty (id, c) VALUES (9, 'abcde');
INSERT INTO ty (id, d) VALUES (9, '2023-02-29');
INSERT INTO ty (id, d) VALUES (9, 'not a date');
INSERT INTO ty (id, ts) VALUES (9, '2023-01-01 25:00');
INSERT INTO ty (id, u) VALUES (9, 'xyz');
INSERT INTO ty (id, j) VALUES (9, '{bad');
INSERT INTO ty (id, jb) VALUES (9, '[1,]');
INSERT INTO ty (id, ia) VALUES (9, '{1,2');
INSERT INTO ty (id, ia) VALUES (9, '{a}');
INSERT INTO ty (id, m) VALUES (9, 12345678.9);
INSERT INTO ty (id, f) VALUES (9, 1e39);
INSERT INTO ty (id, iv) VALUES (9, 'nonsense');
INSERT INTO ty (id, y) VALUES (9, '\x0');
SELECT id FROM ty WHERE g = 'NaN' ORDER BY id;
SELECT id FROM ty ORDER BY g DESC, n, id;
SELECT 0.1::float8 + 0.2, 0.1 + 0.2, 1/3.0, 10::numeric / 3, 7 / 2, -7 / 2, -7 % 3, 7.5 % 2;
SELECT 1e15::float8, 1e16::float8, 123456789.123::float4, 1e-5::float8, 100000::float4, 1e6::float4;
SELECT round(2.5), round(2.5::float8), round(-1.55, 1), trunc(-1.9), ceil(1.1), floor(-1.1), sign(-3), mod(7, -3), power(2, 0.5), sqrt(2::numeric), 2 ^ 10, exp(1::numeric), ln(10::float8);
SELECT 5::int2 * 20000::int2;
-- differs: the least integer as a literal
SELECT abs(-2147483648);
SELECT -(-9223372036854775808);
SELECT 1::numeric(3,2) * 1.5, sum(x), avg(x) FROM (VALUES (1.10), (2.25)) v(x);
SELECT 3.5::int, 2.5::int, -2.5::int, 2.5::float8::int, '  12 '::int, 1::bool, true::int, 0.5::float8::numeric;
SELECT 0x1F, 1_000;
-- differs: text of integers in base 2, 8 and 16
SELECT '0b11'::int;
SELECT length('naïve 😀'), octet_length('naïve 😀'), substring('hello' from 2 for 3), position('l' in 'hello'), left('abc', -1), right('abc', 2), lpad('x', 3, 'ab'), trim(both 'x' from 'xxaxx'), replace('aaa', 'a', 'b'), reverse('abc'), split_part('a,b,c', ',', 2), repeat('ab', 3), initcap('hi THERE'), concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b'), 'a' || NULL, md5('a'), ascii('A'), chr(8364), translate('abc', 'ab', 'x'), strpos('abc', 'c'), overlay('abcdef' placing 'X' from 2 for 3), starts_with('abc', 'ab');
SELECT 'abc' < 'abd', 'a' < 'B', 'ab ' = 'ab', 'ab '::char(4) = 'ab'::char(4), 'ab'::char(4) || 'x', length('ab'::char(4));
SELECT regexp_replace('foobar', 'o+', 'X'), regexp_match('foo42', '(\d+)'), regexp_split_to_array('a1b2c', '\d'), regexp_matches('abab', 'a', 'g');
SELECT format('%s %I %L', 'a', 'b c', 'd''e'), quote_literal('a''b'), quote_ident('A b'), to_hex(255), encode('\x01ff', 'hex'), encode('\x01ff', 'base64'), decode('AQ==', 'base64');
SELECT '\x01'::bytea || '\x02'::bytea, length('\x0102'::bytea), get_byte('\x0102', 1);
SELECT E'a\nb', 'it''s', $$dollar$$, U&'\0041';
-- differs: bit strings
SELECT B'101'::text;
-- differs: upper('ß')
SELECT upper('ß é');
SELECT date '2024-01-31' + interval '1 month', date '2024-03-01' - date '2024-02-01', timestamp '2024-01-01' - timestamp '2023-12-25 12:00', age(timestamp '2024-03-01', timestamp '2023-01-31'), date '2024-01-01' + 5, time '23:00' + interval '2 hours';
SELECT extract(year from date '2024-02-29'), extract(dow from date '2024-02-29'), extract(epoch from timestamptz '2024-01-01 00:00Z'), extract(week from date '2021-01-03'), date_part('doy', date '2024-12-31'), date_trunc('month', timestamp '2024-02-29 13:14:15'), date_trunc('week', timestamptz '2024-02-29 13:14:15Z');
SELECT to_char(timestamp '2024-02-09 13:04:05', 'YYYY-MM-DD HH24:MI:SS Day Mon'), to_char(1234.5, 'FM9,999.00'), to_date('2024-02-09', 'YYYY-MM-DD'), to_timestamp(0), to_number('1,234.5', '9,999.9');
SELECT timestamptz '2024-07-01 12:00+00' AT TIME ZONE 'Europe/Paris', timestamp '2024-07-01 12:00' AT TIME ZONE 'America/New_York', timestamptz '2024-03-31 01:30Z' AT TIME ZONE 'Europe/Berlin';
SET timezone = 'Asia/Kolkata';
SELECT timestamptz '2024-01-01 00:00Z', '2024-01-01 00:00'::timestamp::timestamptz;
RESET timezone;
SELECT interval '1 day' * 1.5, interval '90 minutes', interval '1-2', interval 'P1Y2M3DT4H', justify_days(interval '35 days'), -interval '1 mon -1 day', interval '1 day' = interval '24 hours';
-- differs: arguments by name
SELECT make_interval(days => 10);
SELECT make_date(2024, 2, 30);
SELECT timestamp '294277-01-01';
SELECT '{"a":{"b":[1,2,{"c":null}]}}'::jsonb -> 'a' -> 'b' -> 2, '{"a":1}'::jsonb ->> 'a', '[1,2]'::jsonb -> -1, '{"a":{"b":2}}'::jsonb #>> '{a,b}', '{"a":1}'::jsonb @> '{}', '{"a":1}'::jsonb ? 'a', '{"a":1}'::jsonb || '{"b":2}', '{"a":1,"b":2}'::jsonb - 'a', jsonb_set('{"a":1}', '{a}', '5'), jsonb_typeof('[]'), jsonb_array_length('[1,2]');
SELECT '{"a" : 1.50, "é": "\u00e9"}'::jsonb, '{"a" : 1.50}'::json, '1e3'::jsonb, '"\ud83d\ude00"'::jsonb;
SELECT '"\u0000"'::jsonb;
SELECT * FROM jsonb_each('{"a":1,"b":"x"}') ORDER BY key;
SELECT * FROM jsonb_array_elements_text('[1,"b",null]');
SELECT to_jsonb(ARRAY[1,2]), jsonb_build_object('a', 1, 'b', NULL), json_build_array(1, 'x'), row_to_json(r) FROM (SELECT 1 AS a, 'x' AS b) r;
SELECT ARRAY[1,2] || 3, ARRAY[[1,2],[3,4]], (ARRAY[1,2,3])[2], (ARRAY[1,2,3])[2:3], array_length(ARRAY[1,2], 1), cardinality(ARRAY[[1],[2]]), 2 = ANY (ARRAY[1,2]), ARRAY[1,2] @> ARRAY[2], ARRAY[1] && ARRAY[2], array_position(ARRAY['a','b'], 'b'), array_to_string(ARRAY[1,NULL,3], ',', '*'), string_to_array('a,b', ','), array_remove(ARRAY[1,2,1], 1), array_append(NULL::int[], 1), ARRAY[]::int[], '[0:1]={1,2}'::int[];
SELECT ARRAY[1, 'a'];
SELECT ARRAY[];
SELECT uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' < uuid 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'::uuid;
-- differs: the type `unknown`
SELECT pg_typeof(1), pg_typeof(1.0), pg_typeof('a'), pg_typeof(now()), pg_typeof(1::int8 + 1), pg_typeof(sum(1)), pg_typeof(ARRAY[1.5]), pg_typeof(NULL);
SELECT 'a'::varchar(3)::text, 'abcdef'::varchar(3), 'abcdef'::char(3), 12.345::numeric(4,1);
SELECT 12345.6::numeric(4,1);
SELECT true AND NULL, false AND NULL, true OR NULL, NOT NULL::bool, NULL = NULL, NULL IS NULL, (1, NULL) IS NULL, (NULL, NULL) IS NULL, true IS NOT UNKNOWN;
SELECT num_nulls(1, NULL), 'x' IS NOT DISTINCT FROM 'x', 1 <> 2, 1 != 1;
SELECT cast('1' AS int), int '5', '1.5'::numeric::text, 1::text || 2, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 3, |/ 16.0, @ -3;
SELECT 1.0::numeric = 1.00, 1.10::text, 1.10 * 1, 0.00::text, -0.0::float8, '-0'::numeric, 1e-20::numeric, 1e20::numeric;
-- differs: zeros at the end of a power
SELECT 170::numeric ^ 2;
SELECT 2::numeric ^ -2, 10 ^ 400::numeric > 0, factorial(20), gcd(12, 18), div(7.5, 2), width_bucket(5, 0, 10, 4), scale(1.500), min_scale(1.500), trim_scale(1.500);
