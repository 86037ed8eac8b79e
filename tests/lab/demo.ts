/**
 * `deno task demo`: boots the virtual phone as a user would boot a real one, from a URL and the kernel
 * tree that the command runs in, and shows what both sides say.
 */
import { parseReport } from "./boot_session.ts";
import { FastboopProcess } from "./fastboop_process.ts";
import { VirtualPhone } from "./phone.ts";
import { ensureLab, type Lab } from "./setup.ts";
import type { Transcript } from "./transcript.ts";
import { WebServer } from "./web_server.ts";

const TIMEOUT_MS = 150_000;

/** Prints the lines of a transcript as they come, those that `shows` accepts; returns how to stop. */
function follow(
  name: string,
  transcript: Transcript,
  shows: (line: string) => boolean,
): () => void {
  let printed = 0;
  const print = () => {
    const end = transcript.text.lastIndexOf("\n") + 1;
    const lines = transcript.text.slice(printed, end).split("\n").slice(0, -1);
    printed = Math.max(printed, end);
    for (const line of lines) if (shows(line)) console.log(`${name} | ${line}`);
  };
  const timer = setInterval(print, 100);
  return () => {
    clearInterval(timer);
    print();
  };
}

function check(what: string, isRight: boolean): void {
  console.log(`${isRight ? "ok  " : "FAIL"} ${what}`);
  if (!isRight) throw new Error(what);
}

async function boot(phone: VirtualPhone, host: FastboopProcess): Promise<void> {
  const early = host.ended.then((code) => {
    throw new Error(`fastboop ended with ${code}`);
  });
  early.catch(() => {});
  const done = phone.waitForConsole(/^LAB userspace done$/m, TIMEOUT_MS);
  done.catch(() => {});
  await Promise.race([done, early]);
  check("the guest powers off", await phone.waitForEnd(60_000) === "poweroff");
}

/** Compares what userspace of the guest said with what it should be. */
function checkReport(lab: Lab, phone: VirtualPhone): void {
  const report = parseReport(phone.console.text);
  check(`the guest ran the tree's kernel, ${report.release}`, report.release === lab.release);
  const directory = `/usr/lib/modules/${lab.release}`;
  const names = report.modules.get(directory) ?? [];
  check(`${directory} holds ${names.length} entries`, names.includes("modules.dep"));
  check(`the guest's modprobe loaded: ${report.module}`, report.module.startsWith("dummy "));
  const commands = phone.bootloader.wire.filter((entry) => entry.kind === "command");
  const verbs = [...new Set(commands.map((entry) => entry.text.split(":")[0]!))].sort();
  check(`the bootloader was told only ${verbs.join(", ")}`, `${verbs}` === "boot,download,getvar");
  phone.assertConsoleClean();
}

async function main(): Promise<number> {
  const startedMs = performance.now();
  const lab = await ensureLab({ arch: "x86_64", root: "busybox-merged" });
  await using web = new WebServer({ "/rootfs.ero": lab.rootImage });
  await using phone = new VirtualPhone({ lab, words: ["lab.run=poweroff"] });
  const args = ["boot", web.url("/rootfs.ero"), "--kernel", "--usb", phone.address];
  console.log(`$ cd ${lab.kernelTree}\n$ fastboop ${args.join(" ")}`);
  await using host = new FastboopProcess(args, { cwd: lab.kernelTree });
  const stops = [
    follow("host ", host.output, () => true),
    follow("phone", phone.console, (line) => /^LAB |stage0/.test(line)),
  ];
  const interrupt = () => host.signal("SIGINT");
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    await boot(phone, host);
    host.signal("SIGINT");
    const code = await host.waitForEnd(15_000);
    for (const stop of stops) stop();
    checkReport(lab, phone);
    const { requests, sentBytes } = web;
    console.log(`fastboop ended with ${code}; ${requests.length} requests, ${sentBytes} bytes`);
    console.log(`done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    return 0;
  } catch (error) {
    for (const stop of stops) stop();
    console.error(`\nthe demo failed: ${(error as Error).message.split("\n")[0]}`);
    console.error(`last lines of the phone's console:\n${phone.console.lastLines(40)}`);
    return 1;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    for (const stop of stops) stop();
  }
}

if (import.meta.main) Deno.exit(await main());
