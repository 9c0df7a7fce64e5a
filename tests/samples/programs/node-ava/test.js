import test from 'ava';
import { scale } from './scale.js';

test('reaches from 0 to 1', (t) => t.deepEqual(scale([2, 4, 3]), [0, 1, 0.5]));
test('equal values are 0', (t) => t.deepEqual(scale([5, 5]), [0, 0]));
