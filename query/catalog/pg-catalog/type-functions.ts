/**
 * The functions that turn a type to and from text, binary and modifiers: typinput, typoutput, typreceive, typsend,
 * typmodin, typmodout, with their oids of PostgreSQL. Clients look types up by them.
 */
const lines = `
16: 1242 boolin, 1243 boolout, 2436 boolrecv, 2437 boolsend, -, -
17: 1244 byteain, 31 byteaout, 2412 bytearecv, 2413 byteasend, -, -
18: 1245 charin, 33 charout, 2434 charrecv, 2435 charsend, -, -
19: 34 namein, 35 nameout, 2422 namerecv, 2423 namesend, -, -
20: 460 int8in, 461 int8out, 2408 int8recv, 2409 int8send, -, -
21: 38 int2in, 39 int2out, 2404 int2recv, 2405 int2send, -, -
22: 40 int2vectorin, 41 int2vectorout, 2410 int2vectorrecv, 2411 int2vectorsend, -, -
23: 42 int4in, 43 int4out, 2406 int4recv, 2407 int4send, -, -
24: 44 regprocin, 45 regprocout, 2444 regprocrecv, 2445 regprocsend, -, -
25: 46 textin, 47 textout, 2414 textrecv, 2415 textsend, -, -
26: 1798 oidin, 1799 oidout, 2418 oidrecv, 2419 oidsend, -, -
27: 48 tidin, 49 tidout, 2438 tidrecv, 2439 tidsend, -, -
28: 50 xidin, 51 xidout, 2440 xidrecv, 2441 xidsend, -, -
29: 52 cidin, 53 cidout, 2442 cidrecv, 2443 cidsend, -, -
30: 54 oidvectorin, 55 oidvectorout, 2420 oidvectorrecv, 2421 oidvectorsend, -, -
114: 321 json_in, 322 json_out, 323 json_recv, 324 json_send, -, -
142: 2893 xml_in, 2894 xml_out, 2898 xml_recv, 2899 xml_send, -, -
194: 195 pg_node_tree_in, 196 pg_node_tree_out, 197 pg_node_tree_recv, 198 pg_node_tree_send, -, -
700: 200 float4in, 201 float4out, 2424 float4recv, 2425 float4send, -, -
701: 214 float8in, 215 float8out, 2426 float8recv, 2427 float8send, -, -
705: 109 unknownin, 110 unknownout, 2416 unknownrecv, 2417 unknownsend, -, -
1033: 1031 aclitemin, 1032 aclitemout, -, -, -, -
1042: 1044 bpcharin, 1045 bpcharout, 2430 bpcharrecv, 2431 bpcharsend, 2913 bpchartypmodin, 2914 bpchartypmodout
1043: 1046 varcharin, 1047 varcharout, 2432 varcharrecv, 2433 varcharsend, 2915 varchartypmodin, 2916 varchartypmodout
1082: 1084 date_in, 1085 date_out, 2468 date_recv, 2469 date_send, -, -
1083: 1143 time_in, 1144 time_out, 2470 time_recv, 2471 time_send, 2909 timetypmodin, 2910 timetypmodout
1114: 1312 timestamp_in, 1313 timestamp_out, 2474 timestamp_recv, 2475 timestamp_send, 2905 timestamptypmodin, 2906 timestamptypmodout
1184: 1150 timestamptz_in, 1151 timestamptz_out, 2476 timestamptz_recv, 2477 timestamptz_send, 2907 timestamptztypmodin, 2908 timestamptztypmodout
1186: 1160 interval_in, 1161 interval_out, 2478 interval_recv, 2479 interval_send, 2903 intervaltypmodin, 2904 intervaltypmodout
1266: 1350 timetz_in, 1351 timetz_out, 2472 timetz_recv, 2473 timetz_send, 2911 timetztypmodin, 2912 timetztypmodout
1700: 1701 numeric_in, 1702 numeric_out, 2460 numeric_recv, 2461 numeric_send, 2917 numerictypmodin, 2918 numerictypmodout
2202: 2212 regprocedurein, 2213 regprocedureout, 2446 regprocedurerecv, 2447 regproceduresend, -, -
2203: 2214 regoperin, 2215 regoperout, 2448 regoperrecv, 2449 regopersend, -, -
2204: 2216 regoperatorin, 2217 regoperatorout, 2450 regoperatorrecv, 2451 regoperatorsend, -, -
2205: 2218 regclassin, 2219 regclassout, 2452 regclassrecv, 2453 regclasssend, -, -
2206: 2220 regtypein, 2221 regtypeout, 2454 regtyperecv, 2455 regtypesend, -, -
2249: 2290 record_in, 2291 record_out, 2402 record_recv, 2403 record_send, -, -
2275: 2292 cstring_in, 2293 cstring_out, 2500 cstring_recv, 2501 cstring_send, -, -
2276: 2294 any_in, 2295 any_out, -, -, -, -
2277: 2296 anyarray_in, 2297 anyarray_out, 2502 anyarray_recv, 2503 anyarray_send, -, -
2278: 2298 void_in, 2299 void_out, 3120 void_recv, 3121 void_send, -, -
2279: 2300 trigger_in, 2301 trigger_out, -, -, -, -
2281: 2304 internal_in, 2305 internal_out, -, -, -, -
2283: 2312 anyelement_in, 2313 anyelement_out, -, -, -, -
2776: 2777 anynonarray_in, 2778 anynonarray_out, -, -, -, -
2950: 2952 uuid_in, 2953 uuid_out, 2961 uuid_recv, 2962 uuid_send, -, -
3500: 3504 anyenum_in, 3505 anyenum_out, -, -, -, -
3802: 3806 jsonb_in, 3804 jsonb_out, 3805 jsonb_recv, 3803 jsonb_send, -, -
4089: 4084 regnamespacein, 4085 regnamespaceout, 4087 regnamespacerecv, 4088 regnamespacesend, -, -
4096: 4098 regrolein, 4092 regroleout, 4094 regrolerecv, 4095 regrolesend, -, -
4191: 4193 regcollationin, 4194 regcollationout, 4196 regcollationrecv, 4197 regcollationsend, -, -
5069: 5070 xid8in, 5081 xid8out, 5082 xid8recv, 5083 xid8send, -, -
5077: 5086 anycompatible_in, 5087 anycompatible_out, -, -, -, -
5078: 5088 anycompatiblearray_in, 5089 anycompatiblearray_out, 5090 anycompatiblearray_recv, 5091 anycompatiblearray_send, -, -
5079: 5092 anycompatiblenonarray_in, 5093 anycompatiblenonarray_out, -, -, -, -
16000: 16010 vector_in, 16011 vector_out, 16012 vector_recv, 16013 vector_send, 16014 vector_typmod_in, -
`;

type TypeFunction = { readonly oid: number; readonly name: string };

/** Of a base type; null where it has no such function. */
export type TypeFunctions = Readonly<
  Record<'input' | 'output' | 'receive' | 'send' | 'modifierIn' | 'modifierOut', TypeFunction | null>
>;

const byType: ReadonlyMap<number, TypeFunctions> = new Map(lines.trim().split('\n').map(parseLine));

function parseLine(line: string): [number, TypeFunctions] {
  const [type, rest] = line.split(': ') as [string, string];
  const [input, output, receive, send, modifierIn, modifierOut] = rest.split(', ').map(parseFunction);
  const functions = { input, output, receive, send, modifierIn, modifierOut } as TypeFunctions;
  return [Number(type), functions];
}

function parseFunction(text: string): TypeFunction | null {
  const [oid, name] = text.split(' ');
  return name === undefined ? null : { oid: Number(oid), name };
}

const arrays: TypeFunctions = {
  input: { oid: 750, name: 'array_in' },
  output: { oid: 751, name: 'array_out' },
  receive: { oid: 2400, name: 'array_recv' },
  send: { oid: 2401, name: 'array_send' },
  modifierIn: null,
  modifierOut: null,
};

export function typeFunctions(type: number, isArray: boolean): TypeFunctions | undefined {
  return isArray ? arrays : byType.get(type);
}

export function allTypeFunctions(): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const functions of [arrays, ...byType.values()]) {
    for (const each of Object.values(functions)) if (each !== null) names.set(each.oid, each.name);
  }
  return names;
}
