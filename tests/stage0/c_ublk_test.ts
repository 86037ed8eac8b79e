// stage0's disks on a made-up kernel: ublk.c compiled for this machine, its system calls replaced.
import assert from "node:assert/strict";
import { hasCompiler, withProgram } from "./compile_c.ts";

Deno.test({
  name: "ublk_add() brings two disks up at once, on kernels without encoded commands too",
  ignore: !hasCompiler,
  fn: () =>
    withProgram(["tests/ublk_driver.c", "src/text.c"], async (program) => {
      for (const kernel of ["new", "old"]) {
        const { success, stdout, stderr } = await new Deno.Command(program, {
          args: [kernel],
          env: { ASAN_OPTIONS: "detect_leaks=0" }, // the queues are mapped for ever
        }).output();
        assert.ok(success, new TextDecoder().decode(stderr));
        assert.equal(new TextDecoder().decode(stdout), "online 0\nonline 1\n", kernel);
      }
    }),
});
