/** Temperatures in degrees Celsius, by station. */
export class Stations {
  #readings = new Map();

  /** Notes a reading. */
  report(station, celsius) {
    if (!Number.isFinite(celsius)) throw new TypeError("a temperature is a number");
    const known = this.#readings.get(station) ?? [];
    this.#readings.set(station, [...known, celsius]);
  }

  /** The mean of a station's readings, or null without any. */
  mean(station) {
    const readings = this.#readings.get(station);
    if (!readings) return null;
    return readings.reduce((sum, value) => sum + value, 0) / readings.length;
  }
}
