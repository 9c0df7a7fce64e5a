/** Rows of numbers, all of one length. */
export type Matrix = readonly (readonly number[])[];

/** The product of two matrices. Throws a RangeError where their sizes do not fit. */
export function multiply(left: Matrix, right: Matrix): number[][] {
  if (left.some((row) => row.length !== right.length)) {
    throw new RangeError("the sizes do not fit");
  }
  const columns = right[0]?.length ?? 0;
  return left.map((row) =>
    Array.from({ length: columns }, (_, column) =>
      row.reduce((sum, value, index) => sum + value * (right[index]?.[column] ?? 0), 0),
    ),
  );
}

/** Rows become columns. */
export function transpose(matrix: Matrix): number[][] {
  return (matrix[0] ?? []).map((_, column) => matrix.map((row) => row[column] ?? 0));
}
