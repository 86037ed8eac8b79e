/** Modules that scripts/sign-file of the kernel's source signed, judged by openssl. */
import assert from "node:assert/strict";
import { NativeModulesTree } from "../../../lib/kernel/native_modules/native_modules_tree.ts";
import { planNativeModules } from "../../../lib/kernel/native_modules/plan_native_modules.ts";
import { readTreeFile } from "../../../lib/kernel/read_tree_file.ts";
import { hasTool, run } from "../../filesystems/foreign_tools.ts";
import { RELEASE, temporary, writeFiles } from "../fixture_tree.ts";
import { debugObject } from "./debug_object.ts";

const MARK = "~Module signature appended~\n";
const CACHE = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? ""}/.cache`;
const SIGN_FILE = `${CACHE}/fastboop/lab/linux-source-6.12/scripts/sign-file.c`;
const D = `usr/lib/modules/${RELEASE}`;
const hasSource = (() => {
  try {
    return Deno.statSync(SIGN_FILE).isFile;
  } catch {
    return false;
  }
})();

async function done(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  assert.equal(code, 0, `${program}: ${stderr}`);
}

/** A throw-away key and the kernel's own program. */
async function makeSigner(dir: string): Promise<void> {
  const words = [
    "req",
    "-new",
    "-x509",
    "-nodes",
    "-newkey",
    "rsa:2048",
    "-batch",
    "-subj",
    "/CN=test",
  ];
  await done("openssl", ...words, "-keyout", `${dir}/key.pem`, "-out", `${dir}/cert.pem`);
  await done("gcc", "-w", "-o", `${dir}/sign-file`, SIGN_FILE, "-lcrypto");
}

/** What the kernel does: the PKCS#7 behind the module, by the size that stands before the mark. */
async function isValid(dir: string, module: Uint8Array): Promise<boolean> {
  const end = module.length - MARK.length;
  assert.equal(new TextDecoder().decode(module.subarray(end)), MARK);
  const signatureBytes = new DataView(module.buffer, module.byteOffset + end - 4, 4).getUint32(0);
  const contentEnd = end - 12 - signatureBytes;
  await Deno.writeFile(`${dir}/content`, module.subarray(0, contentEnd));
  await Deno.writeFile(`${dir}/signature`, module.subarray(contentEnd, end - 12));
  const words = ["cms", "-verify", "-inform", "DER", "-in", `${dir}/signature`, "-binary"];
  const more = ["-content", `${dir}/content`, "-certfile", `${dir}/cert.pem`, "-noverify"];
  const { code } = await run("openssl", [...words, ...more, "-out", "/dev/null"]);
  return code === 0;
}

Deno.test({
  name: "a signed module with debug information keeps its signature, which stays valid",
  ignore: !hasSource || !hasTool("openssl") || !hasTool("gcc"),
  fn: async () => {
    await using held = await temporary();
    const dir = held.path;
    await makeSigner(dir);
    const plain = await debugObject(dir, "", ["-g"]);
    await Deno.mkdir(`${dir}/build`);
    const [key, certificate] = [`${dir}/key.pem`, `${dir}/cert.pem`];
    await done(`${dir}/sign-file`, "sha256", key, certificate, plain, `${dir}/build/signed.ko`);
    await Deno.copyFile(plain, `${dir}/build/plain.ko`);
    await writeFiles(`${dir}/build`, { "modules.order": "signed.o\nplain.o\n" });

    const plan = await planNativeModules({ outDir: `${dir}/build`, release: RELEASE });
    await using tree = new NativeModulesTree(D, plan);
    const shown = await readTreeFile(tree, `${D}/kernel/signed.ko`, 1 << 20);
    assert.deepEqual(shown, await Deno.readFile(`${dir}/build/signed.ko`));
    assert.equal(await isValid(dir, shown), true);
    const flipped = shown.slice();
    flipped[shown.length >> 2]! ^= 1;
    assert.equal(await isValid(dir, flipped), false, "the judge sees a flipped byte");
    // The same module without a signature is stripped.
    const stripped = await readTreeFile(tree, `${D}/kernel/plain.ko`, 1 << 20);
    assert.ok(stripped.length < (await Deno.stat(plain)).size / 2);
  },
});
