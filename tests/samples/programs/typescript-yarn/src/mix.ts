export type Rgb = [number, number, number];

export function parse(hex: string): Rgb {
  const digits = hex.replace("#", "");
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)) as Rgb;
}

export function mix(a: Rgb, b: Rgb): Rgb {
  return a.map((value, i) => Math.round((value + b[i]) / 2)) as Rgb;
}
