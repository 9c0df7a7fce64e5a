const { valid } = require('./isbn');

test('takes a good number', () => expect(valid('0-306-40615-2')).toBe(true));
test('takes X for ten', () => expect(valid('0-8044-2957-X')).toBe(true));
test('refuses a wrong digit', () => expect(valid('0-306-40615-3')).toBe(false));
