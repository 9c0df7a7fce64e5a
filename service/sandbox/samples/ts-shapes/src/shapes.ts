/** A plane shape, told apart by its kind. */
export type Shape =
  | { readonly kind: "circle"; readonly radius: number }
  | { readonly kind: "rectangle"; readonly width: number; readonly height: number };

/** The area in square units. Throws a RangeError for a negative length. */
export function area(shape: Shape): number {
  switch (shape.kind) {
    case "circle":
      return Math.PI * positive(shape.radius) ** 2;
    case "rectangle":
      return positive(shape.width) * positive(shape.height);
  }
}

/** The shape with the largest area, undefined among none. */
export function largest(shapes: readonly Shape[]): Shape | undefined {
  return [...shapes].sort((one, other) => area(other) - area(one))[0];
}

function positive(length: number): number {
  if (!(length >= 0)) {
    throw new RangeError("a length is not negative");
  }
  return length;
}
