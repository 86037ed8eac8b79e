import assert from "node:assert/strict";
import { makeArguments } from "../../lib/kernel/make_arguments.ts";
import { toolchainOf } from "../../lib/kernel/toolchain_of.ts";
import { expectError } from "./expect_error.ts";

const config = (compiler: string, clang = false) =>
  new Map([["CC_VERSION_TEXT", compiler], ...clang ? [["CC_IS_CLANG", "y"] as const] : []]);

Deno.test("toolchainOf() learns the prefix from the compiler the tree was configured with", () => {
  const gcc = config("aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0");
  assert.deepEqual(toolchainOf(gcc, "aarch64", {}, "x86_64"), {
    crossCompile: "aarch64-linux-gnu-",
  });
  const versioned = config("aarch64-linux-musl-gcc-13 (x) 13");
  assert.equal(
    toolchainOf(versioned, "aarch64", {}, "x86_64").crossCompile,
    "aarch64-linux-musl-",
  );
  assert.equal(toolchainOf(config("gcc (x) 12"), "x86_64", {}, "x86_64").crossCompile, "");
});

Deno.test("toolchainOf() lets the environment win, and falls back on the usual prefix", () => {
  const gcc = config("aarch64-linux-gnu-gcc (x) 12");
  const env = { CROSS_COMPILE: "/opt/arm/bin/aarch64-none-linux-gnu-" };
  assert.equal(toolchainOf(gcc, "aarch64", env, "x86_64").crossCompile, env.CROSS_COMPILE);
  assert.equal(toolchainOf(gcc, "aarch64", { CROSS_COMPILE: "" }, "aarch64").crossCompile, "");
  const none = toolchainOf(new Map(), "aarch64", {}, "x86_64");
  assert.equal(none.crossCompile, "aarch64-linux-gnu-");
  assert.equal(toolchainOf(new Map(), "x86_64", {}, "aarch64").crossCompile, "x86_64-linux-gnu-");
});

Deno.test("toolchainOf() says LLVM for a tree of clang", () => {
  const clang = config("Debian clang version 16.0.6", true);
  assert.deepEqual(toolchainOf(clang, "aarch64", {}, "x86_64"), { crossCompile: "", llvm: "1" });
  assert.equal(toolchainOf(clang, "aarch64", { LLVM: "-16" }, "x86_64").llvm, "-16");
});

Deno.test("toolchainOf() refuses variables that hold more than a prefix", async () => {
  for (const value of ["ccache aarch64-", "$(shell id)-", "a;b"]) {
    await expectError(
      "usage",
      () => toolchainOf(new Map(), "aarch64", { CROSS_COMPILE: value }, "x86_64"),
      "CROSS_COMPILE",
    );
  }
});

Deno.test("makeArguments() enters an output directory itself, or says O= when it cannot", () => {
  const tree = {
    sourceDir: "/src",
    outDir: "/out",
    arch: "aarch64",
    toolchain: { crossCompile: "aarch64-linux-gnu-", llvm: "1" },
  } as const;
  const rest = ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-", "LLVM=1"];
  assert.deepEqual(makeArguments({ ...tree, hasOutputMakefile: true }), ["-C", "/out", ...rest]);
  assert.deepEqual(makeArguments({ ...tree, hasOutputMakefile: false }), [
    "-C",
    "/src",
    "O=/out",
    ...rest,
  ]);
});
