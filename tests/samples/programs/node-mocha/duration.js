"use strict";

const SECONDS = { h: 3600, m: 60, s: 1 };

/** Seconds of a text such as `1h30m`. Throws a SyntaxError for anything else. */
function seconds(text) {
  const parts = [...text.matchAll(/(\d+)([hms])/g)];
  if (parts.map((part) => part[0]).join("") !== text || text === "") {
    throw new SyntaxError(`no duration: ${text}`);
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * SECONDS[unit], 0);
}

module.exports = { seconds };
