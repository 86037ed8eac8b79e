import assert from "node:assert/strict";
import fc from "fast-check";
import { FastboopError } from "../../lib/errors/errors.ts";
import { parseReply } from "../../lib/fastboot/reply.ts";
import { ofKind } from "../support/expect_kind.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("parseReply() reads every status", () => {
  assert.deepEqual(parseReply(bytes("OKAY"), "x"), { status: "okay", text: "" });
  assert.deepEqual(parseReply(bytes("OKAYsdm845"), "x"), { status: "okay", text: "sdm845" });
  assert.deepEqual(parseReply(bytes("FAILno"), "x"), { status: "fail", text: "no" });
  assert.deepEqual(parseReply(bytes("INFOa b\r\n"), "x"), { status: "line", text: "a b" });
  assert.deepEqual(parseReply(bytes("TEXThi\0rest"), "x"), { status: "line", text: "hi" });
  assert.deepEqual(parseReply(bytes("DATA0000abCD"), "x"), { status: "data", sizeBytes: 0xabcd });
});

Deno.test("parseReply() takes 4 to 256 bytes and nothing else", () => {
  const most = bytes("OKAY" + "x".repeat(252));
  assert.equal((parseReply(most, "x") as { text: string }).text.length, 252);
  for (
    const bad of ["", "OKA", "okay", "OKEY", "DATA", "DATA1234567", "DATA123456789", "DATA-0000001"]
  ) {
    assert.throws(() => parseReply(bytes(bad), "boot"), ofKind("refused", /"boot"/), bad);
  }
  assert.throws(() => parseReply(bytes("OKAY" + "x".repeat(253)), "x"), ofKind("refused", /257/));
});

Deno.test("parseReply() escapes what a terminal would obey", () => {
  const reply = parseReply(Uint8Array.of(...bytes("INFO\u001b[2J"), 0xff, 0x07), "x");
  assert.deepEqual(reply, { status: "line", text: "\\x1b[2J\\xff\\x07" });
  assert.throws(() => parseReply(bytes("\u001b]0;x\u0007"), "x"), (error) => {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch((error as Error).message, /[\x00-\x1f]/);
    return true;
  });
});

Deno.test("parseReply() ends in a reply or in a FastboopError for any bytes", () => {
  const tag = fc.constantFrom("OKAY", "FAIL", "INFO", "TEXT", "DATA", "");
  fc.assert(
    fc.property(tag, fc.uint8Array({ maxLength: 300 }), (status, tail) => {
      try {
        const reply = parseReply(Uint8Array.of(...bytes(status), ...tail), "x");
        if (reply.status === "data") assert.ok(reply.sizeBytes >= 0 && reply.sizeBytes < 2 ** 32);
        else assert.match(reply.text, /^[\x20-\x7e]*$/);
      } catch (error) {
        assert.ok(error instanceof FastboopError && error.kind === "refused");
      }
    }),
    { numRuns: 5000 },
  );
});
