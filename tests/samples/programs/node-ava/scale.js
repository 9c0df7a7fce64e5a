/** `values` moved and stretched so that the least is 0 and the greatest 1. */
export function scale(values) {
  const least = Math.min(...values);
  const span = Math.max(...values) - least;
  return values.map((value) => (span === 0 ? 0 : (value - least) / span));
}
