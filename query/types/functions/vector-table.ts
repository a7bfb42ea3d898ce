/** pgvector's functions and operators, in the form of `procedures-a-i.ts` and `operator-table.ts`; the oids are ours. */
export const vectorProcedures = `
16100 vector_add(vector, vector) vector; 16101 vector_sub(vector, vector) vector;
16102 vector_mul(vector, vector) vector; 16103 vector_concat(vector, vector) vector;
16104 vector_lt(vector, vector) bool; 16105 vector_le(vector, vector) bool; 16106 vector_eq(vector, vector) bool;
16107 vector_ne(vector, vector) bool; 16108 vector_ge(vector, vector) bool; 16109 vector_gt(vector, vector) bool;
16110 l2_distance(vector, vector) float8; 16111 inner_product(vector, vector) float8;
16112 cosine_distance(vector, vector) float8; 16113 l1_distance(vector, vector) float8;
16114 vector_negative_inner_product(vector, vector) float8; 16115 vector_dims(vector) int4;
16116 vector_norm(vector) float8; 16117 l2_normalize(vector) vector; 16118 subvector(vector, int4, int4) vector;
16119 vector_l2_squared_distance(vector, vector) float8; 16120 vector_cmp(vector, vector) int4;
16121 avg(vector) vector; 16122 sum(vector) vector; 16123 max(vector) vector; 16124 min(vector) vector
`;

export const vectorOperatorTable = `
<->  16200 vector vector l2_distance
<#>  16201 vector vector vector_negative_inner_product
<=>  16202 vector vector cosine_distance
<+>  16203 vector vector l1_distance
+  16204 vector vector vector_add
-  16205 vector vector vector_sub
*  16206 vector vector vector_mul
||  16207 vector vector vector_concat
<  16208 vector vector vector_lt
<=  16209 vector vector vector_le
=  16210 vector vector vector_eq
<>  16211 vector vector vector_ne
>=  16212 vector vector vector_ge
>  16213 vector vector vector_gt
`.trimStart();
