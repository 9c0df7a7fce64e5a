export { area, largest } from "./shapes.js";
export type { Shape } from "./shapes.js";
