import { expect, it } from "vitest";
import { mix, parse } from "../src/mix";

it("parses", () => expect(parse("#ff8000")).toEqual([255, 128, 0]));
it("mixes", () => expect(mix([0, 0, 0], [255, 255, 255])).toEqual([128, 128, 128]));
it("keeps", () => expect(mix([1, 2, 3], [1, 2, 3])).toEqual([1, 2, 3]));
