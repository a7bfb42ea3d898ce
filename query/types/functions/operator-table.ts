/**
 * pg_operator, for the operators that are carried out here: the operator, then oid, left type (`-`: none), right
 * type and function of each of its forms.
 */
export const operatorTable = `
!~  1056 bpchar text bpcharregexne; 640 name text nameregexne; 642 text text textregexne
!~*  1235 bpchar text bpcharicregexne; 1227 name text nameicregexne; 1229 text text texticregexne
!~~  1212 bpchar text bpcharnlike; 2017 bytea bytea byteanlike; 1208 name text namenlike
!~~  1210 text text textnlike
!~~*  1630 bpchar text bpcharicnlike; 1626 name text nameicnlike; 1628 text text texticnlike
#  1876 int2 int2 int2xor; 1882 int4 int4 int4xor; 1888 int8 int8 int8xor
#-  3287 jsonb _text jsonb_delete_path
#>  3966 json _text json_extract_path; 3213 jsonb _text jsonb_extract_path
#>>  3967 json _text json_extract_path_text; 3206 jsonb _text jsonb_extract_path_text
%  529 int2 int2 int2mod; 530 int4 int4 int4mod; 439 int8 int8 int8mod; 1762 numeric numeric numeric_mod
&  1874 int2 int2 int2and; 1880 int4 int4 int4and; 1886 int8 int8 int8and
&&  2750 anyarray anyarray arrayoverlap
*  589 float4 float4 float4mul; 1119 float4 float8 float48mul; 1129 float8 float4 float84mul
*  594 float8 float8 float8mul; 1584 float8 interval mul_d_interval; 526 int2 int2 int2mul
*  544 int2 int4 int24mul; 824 int2 int8 int28mul; 545 int4 int2 int42mul; 514 int4 int4 int4mul
*  694 int4 int8 int48mul; 820 int8 int2 int82mul; 690 int8 int4 int84mul; 686 int8 int8 int8mul
*  1583 interval float8 interval_mul; 1760 numeric numeric numeric_mul
*<  3190 record record record_image_lt
*<=  3192 record record record_image_le
*<>  3189 record record record_image_ne
*=  3188 record record record_image_eq
*>  3191 record record record_image_gt
*>=  3193 record record record_image_ge
+  1919 - float4 float4up; 1920 - float8 float8up; 1917 - int2 int2up; 1918 - int4 int4up; 1916 - int8 int8up
+  1921 - numeric numeric_uplus; 1100 date int4 date_pli; 1076 date interval date_pl_interval
+  1360 date time datetime_pl; 586 float4 float4 float4pl; 1116 float4 float8 float48pl
+  1126 float8 float4 float84pl; 591 float8 float8 float8pl; 550 int2 int2 int2pl; 552 int2 int4 int24pl
+  822 int2 int8 int28pl; 2555 int4 date integer_pl_date; 553 int4 int2 int42pl; 551 int4 int4 int4pl
+  692 int4 int8 int48pl; 818 int8 int2 int82pl; 688 int8 int4 int84pl; 684 int8 int8 int8pl
+  2551 interval date interval_pl_date; 1337 interval interval interval_pl; 1849 interval time interval_pl_time
+  2553 interval timestamp interval_pl_timestamp; 2554 interval timestamptz interval_pl_timestamptz
+  1758 numeric numeric numeric_add; 1363 time date timedate_pl; 1800 time interval time_pl_interval
+  2066 timestamp interval timestamp_pl_interval; 1327 timestamptz interval timestamptz_pl_interval
-  584 - float4 float4um; 585 - float8 float8um; 559 - int2 int2um; 558 - int4 int4um; 484 - int8 int8um
-  1336 - interval interval_um; 1751 - numeric numeric_uminus; 1099 date date date_mi; 1101 date int4 date_mii
-  1077 date interval date_mi_interval; 587 float4 float4 float4mi; 1117 float4 float8 float48mi
-  1127 float8 float4 float84mi; 592 float8 float8 float8mi; 554 int2 int2 int2mi; 556 int2 int4 int24mi
-  823 int2 int8 int28mi; 557 int4 int2 int42mi; 555 int4 int4 int4mi; 693 int4 int8 int48mi
-  819 int8 int2 int82mi; 689 int8 int4 int84mi; 685 int8 int8 int8mi; 1338 interval interval interval_mi
-  3398 jsonb _text jsonb_delete; 3286 jsonb int4 jsonb_delete; 3285 jsonb text jsonb_delete
-  1759 numeric numeric numeric_sub; 1801 time interval time_mi_interval; 1399 time time time_mi_time
-  2068 timestamp interval timestamp_mi_interval; 2067 timestamp timestamp timestamp_mi
-  1329 timestamptz interval timestamptz_mi_interval; 1328 timestamptz timestamptz timestamptz_mi
->  3964 json int4 json_array_element; 3962 json text json_object_field; 3212 jsonb int4 jsonb_array_element
->  3211 jsonb text jsonb_object_field
->>  3965 json int4 json_array_element_text; 3963 json text json_object_field_text
->>  3481 jsonb int4 jsonb_array_element_text; 3477 jsonb text jsonb_object_field_text
/  588 float4 float4 float4div; 1118 float4 float8 float48div; 1128 float8 float4 float84div
/  593 float8 float8 float8div; 527 int2 int2 int2div; 546 int2 int4 int24div; 825 int2 int8 int28div
/  547 int4 int2 int42div; 528 int4 int4 int4div; 695 int4 int8 int48div; 821 int8 int2 int82div
/  691 int8 int4 int84div; 687 int8 int8 int8div; 1585 interval float8 interval_div
/  1761 numeric numeric numeric_div
<  1072 anyarray anyarray array_lt; 58 bool bool boollt; 1058 bpchar bpchar bpcharlt; 1957 bytea bytea bytealt
<  631 char char charlt; 1095 date date date_lt; 2345 date timestamp date_lt_timestamp
<  2358 date timestamptz date_lt_timestamptz; 622 float4 float4 float4lt; 1122 float4 float8 float48lt
<  1132 float8 float4 float84lt; 672 float8 float8 float8lt; 95 int2 int2 int2lt; 534 int2 int4 int24lt
<  1864 int2 int8 int28lt; 535 int4 int2 int42lt; 97 int4 int4 int4lt; 37 int4 int8 int48lt
<  1870 int8 int2 int82lt; 418 int8 int4 int84lt; 412 int8 int8 int8lt; 1332 interval interval interval_lt
<  3242 jsonb jsonb jsonb_lt; 660 name name namelt; 255 name text namelttext; 1754 numeric numeric numeric_lt
<  609 oid oid oidlt; 645 oidvector oidvector oidvectorlt; 2990 record record record_lt
<  261 text name textltname; 664 text text text_lt; 2799 tid tid tidlt; 1110 time time time_lt
<  2371 timestamp date timestamp_lt_date; 2062 timestamp timestamp timestamp_lt
<  2534 timestamp timestamptz timestamp_lt_timestamptz; 2384 timestamptz date timestamptz_lt_date
<  2540 timestamptz timestamp timestamptz_lt_timestamp; 1322 timestamptz timestamptz timestamptz_lt
<  2974 uuid uuid uuid_lt
<<  1878 int2 int4 int2shl; 1884 int4 int4 int4shl; 1890 int8 int4 int8shl
<=  1074 anyarray anyarray array_le; 1694 bool bool boolle; 1059 bpchar bpchar bpcharle
<=  1958 bytea bytea byteale; 632 char char charle; 1096 date date date_le
<=  2346 date timestamp date_le_timestamp; 2359 date timestamptz date_le_timestamptz; 624 float4 float4 float4le
<=  1124 float4 float8 float48le; 1134 float8 float4 float84le; 673 float8 float8 float8le; 522 int2 int2 int2le
<=  540 int2 int4 int24le; 1866 int2 int8 int28le; 541 int4 int2 int42le; 523 int4 int4 int4le
<=  80 int4 int8 int48le; 1872 int8 int2 int82le; 420 int8 int4 int84le; 414 int8 int8 int8le
<=  1333 interval interval interval_le; 3244 jsonb jsonb jsonb_le; 661 name name namele
<=  256 name text nameletext; 1755 numeric numeric numeric_le; 611 oid oid oidle
<=  647 oidvector oidvector oidvectorle; 2992 record record record_le; 262 text name textlename
<=  665 text text text_le; 2801 tid tid tidle; 1111 time time time_le; 2372 timestamp date timestamp_le_date
<=  2063 timestamp timestamp timestamp_le; 2535 timestamp timestamptz timestamp_le_timestamptz
<=  2385 timestamptz date timestamptz_le_date; 2541 timestamptz timestamp timestamptz_le_timestamp
<=  1323 timestamptz timestamptz timestamptz_le; 2976 uuid uuid uuid_le
<>  1071 anyarray anyarray array_ne; 85 bool bool boolne; 1057 bpchar bpchar bpcharne; 1956 bytea bytea byteane
<>  630 char char charne; 1094 date date date_ne; 2350 date timestamp date_ne_timestamp
<>  2363 date timestamptz date_ne_timestamptz; 621 float4 float4 float4ne; 1121 float4 float8 float48ne
<>  1131 float8 float4 float84ne; 671 float8 float8 float8ne; 519 int2 int2 int2ne; 538 int2 int4 int24ne
<>  1863 int2 int8 int28ne; 539 int4 int2 int42ne; 518 int4 int4 int4ne; 36 int4 int8 int48ne
<>  1869 int8 int2 int82ne; 417 int8 int4 int84ne; 411 int8 int8 int8ne; 1331 interval interval interval_ne
<>  3241 jsonb jsonb jsonb_ne; 643 name name namene; 259 name text namenetext; 1753 numeric numeric numeric_ne
<>  608 oid oid oidne; 644 oidvector oidvector oidvectorne; 2989 record record record_ne
<>  265 text name textnename; 531 text text textne; 402 tid tid tidne; 1109 time time time_ne
<>  2376 timestamp date timestamp_ne_date; 2061 timestamp timestamp timestamp_ne
<>  2539 timestamp timestamptz timestamp_ne_timestamptz; 2389 timestamptz date timestamptz_ne_date
<>  2545 timestamptz timestamp timestamptz_ne_timestamp; 1321 timestamptz timestamptz timestamptz_ne
<>  2973 uuid uuid uuid_ne; 3316 xid int4 xidneqint4; 3315 xid xid xidneq
<@  2752 anyarray anyarray arraycontained; 3250 jsonb jsonb jsonb_contained
=  974 aclitem aclitem aclitemeq; 1070 anyarray anyarray array_eq; 91 bool bool booleq
=  1054 bpchar bpchar bpchareq; 1955 bytea bytea byteaeq; 92 char char chareq; 385 cid cid cideq
=  1093 date date date_eq; 2347 date timestamp date_eq_timestamp; 2360 date timestamptz date_eq_timestamptz
=  620 float4 float4 float4eq; 1120 float4 float8 float48eq; 1130 float8 float4 float84eq
=  670 float8 float8 float8eq; 94 int2 int2 int2eq; 532 int2 int4 int24eq; 1862 int2 int8 int28eq
=  533 int4 int2 int42eq; 96 int4 int4 int4eq; 15 int4 int8 int48eq; 1868 int8 int2 int82eq
=  416 int8 int4 int84eq; 410 int8 int8 int8eq; 1330 interval interval interval_eq; 3240 jsonb jsonb jsonb_eq
=  93 name name nameeq; 254 name text nameeqtext; 1752 numeric numeric numeric_eq; 607 oid oid oideq
=  649 oidvector oidvector oidvectoreq; 2988 record record record_eq; 260 text name texteqname
=  98 text text texteq; 387 tid tid tideq; 1108 time time time_eq; 2373 timestamp date timestamp_eq_date
=  2060 timestamp timestamp timestamp_eq; 2536 timestamp timestamptz timestamp_eq_timestamptz
=  2386 timestamptz date timestamptz_eq_date; 2542 timestamptz timestamp timestamptz_eq_timestamp
=  1320 timestamptz timestamptz timestamptz_eq; 2972 uuid uuid uuid_eq; 353 xid int4 xideqint4
=  352 xid xid xideq
>  1073 anyarray anyarray array_gt; 59 bool bool boolgt; 1060 bpchar bpchar bpchargt; 1959 bytea bytea byteagt
>  633 char char chargt; 1097 date date date_gt; 2349 date timestamp date_gt_timestamp
>  2362 date timestamptz date_gt_timestamptz; 623 float4 float4 float4gt; 1123 float4 float8 float48gt
>  1133 float8 float4 float84gt; 674 float8 float8 float8gt; 520 int2 int2 int2gt; 536 int2 int4 int24gt
>  1865 int2 int8 int28gt; 537 int4 int2 int42gt; 521 int4 int4 int4gt; 76 int4 int8 int48gt
>  1871 int8 int2 int82gt; 419 int8 int4 int84gt; 413 int8 int8 int8gt; 1334 interval interval interval_gt
>  3243 jsonb jsonb jsonb_gt; 662 name name namegt; 258 name text namegttext; 1756 numeric numeric numeric_gt
>  610 oid oid oidgt; 646 oidvector oidvector oidvectorgt; 2991 record record record_gt
>  264 text name textgtname; 666 text text text_gt; 2800 tid tid tidgt; 1112 time time time_gt
>  2375 timestamp date timestamp_gt_date; 2064 timestamp timestamp timestamp_gt
>  2538 timestamp timestamptz timestamp_gt_timestamptz; 2388 timestamptz date timestamptz_gt_date
>  2544 timestamptz timestamp timestamptz_gt_timestamp; 1324 timestamptz timestamptz timestamptz_gt
>  2975 uuid uuid uuid_gt
>=  1075 anyarray anyarray array_ge; 1695 bool bool boolge; 1061 bpchar bpchar bpcharge
>=  1960 bytea bytea byteage; 634 char char charge; 1098 date date date_ge
>=  2348 date timestamp date_ge_timestamp; 2361 date timestamptz date_ge_timestamptz; 625 float4 float4 float4ge
>=  1125 float4 float8 float48ge; 1135 float8 float4 float84ge; 675 float8 float8 float8ge; 524 int2 int2 int2ge
>=  542 int2 int4 int24ge; 1867 int2 int8 int28ge; 543 int4 int2 int42ge; 525 int4 int4 int4ge
>=  82 int4 int8 int48ge; 1873 int8 int2 int82ge; 430 int8 int4 int84ge; 415 int8 int8 int8ge
>=  1335 interval interval interval_ge; 3245 jsonb jsonb jsonb_ge; 663 name name namege
>=  257 name text namegetext; 1757 numeric numeric numeric_ge; 612 oid oid oidge
>=  648 oidvector oidvector oidvectorge; 2993 record record record_ge; 263 text name textgename
>=  667 text text text_ge; 2802 tid tid tidge; 1113 time time time_ge; 2374 timestamp date timestamp_ge_date
>=  2065 timestamp timestamp timestamp_ge; 2537 timestamp timestamptz timestamp_ge_timestamptz
>=  2387 timestamptz date timestamptz_ge_date; 2543 timestamptz timestamp timestamptz_ge_timestamp
>=  1325 timestamptz timestamptz timestamptz_ge; 2977 uuid uuid uuid_ge
>>  1879 int2 int4 int2shr; 1885 int4 int4 int4shr; 1891 int8 int4 int8shr
?  3247 jsonb text jsonb_exists
?&  3249 jsonb _text jsonb_exists_all
?|  3248 jsonb _text jsonb_exists_any
@  590 - float4 float4abs; 595 - float8 float8abs; 682 - int2 int2abs; 773 - int4 int4abs; 473 - int8 int8abs
@  1763 - numeric numeric_abs
@>  2751 anyarray anyarray arraycontains; 3246 jsonb jsonb jsonb_contains
^  965 float8 float8 dpow; 1038 numeric numeric numeric_power
^@  3877 text text starts_with
|  1875 int2 int2 int2or; 1881 int4 int4 int4or; 1887 int8 int8 int8or
|/  596 - float8 dsqrt
||  374 anycompatible anycompatiblearray array_prepend; 349 anycompatiblearray anycompatible array_append
||  375 anycompatiblearray anycompatiblearray array_cat; 2780 anynonarray text anytextcat
||  2018 bytea bytea byteacat; 3284 jsonb jsonb jsonb_concat; 2779 text anynonarray textanycat
||  654 text text textcat
||/  597 - float8 dcbrt
~  1877 - int2 int2not; 1883 - int4 int4not; 1889 - int8 int8not; 1055 bpchar text bpcharregexeq
~  639 name text nameregexeq; 641 text text textregexeq
~*  1234 bpchar text bpcharicregexeq; 1226 name text nameicregexeq; 1228 text text texticregexeq
~<=~  2327 bpchar bpchar bpchar_pattern_le; 2315 text text text_pattern_le
~<~  2326 bpchar bpchar bpchar_pattern_lt; 2314 text text text_pattern_lt
~>=~  2329 bpchar bpchar bpchar_pattern_ge; 2317 text text text_pattern_ge
~>~  2330 bpchar bpchar bpchar_pattern_gt; 2318 text text text_pattern_gt
~~  1211 bpchar text bpcharlike; 2016 bytea bytea bytealike; 1207 name text namelike; 1209 text text textlike
~~*  1629 bpchar text bpchariclike; 1625 name text nameiclike; 1627 text text texticlike
`;
