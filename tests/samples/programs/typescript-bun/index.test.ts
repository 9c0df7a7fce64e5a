import { expect, test } from 'bun:test';
import { add, mul } from './index';

test('adds', () => {
  expect(add(1, 2)).toBe(3);
});

test('multiplies', () => {
  expect(mul(2, 3)).toBe(6);
});
