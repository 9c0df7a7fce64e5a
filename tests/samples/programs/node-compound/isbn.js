'use strict';

/** Whether ten digits, the last perhaps X, are an ISBN. */
function valid(text) {
  const digits = text.replaceAll('-', '');
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  const sum = [...digits].reduce((total, digit, at) => total + (10 - at) * (digit === 'X' ? 10 : Number(digit)), 0);
  return sum % 11 === 0;
}

module.exports = { valid };
