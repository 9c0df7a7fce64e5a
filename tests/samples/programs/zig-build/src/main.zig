const std = @import("std");

fn add(a: i32, b: i32) i32 {
    return a + b;
}

pub fn main() void {
    std.debug.print("{d}\n", .{add(1, 2)});
}

test "adds" {
    try std.testing.expect(add(1, 2) == 3);
}
