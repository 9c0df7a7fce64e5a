const std = @import("std");

pub fn build(b: *std.Build) void {
    const tests = b.addTest(.{ .root_module = b.createModule(.{ .root_source_file = b.path("src/main.zig"), .target = b.graph.host }) });
    b.step("test", "run tests").dependOn(&b.addRunArtifact(tests).step);
}
