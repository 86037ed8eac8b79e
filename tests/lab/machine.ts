/**
 * One run of QEMU: a kernel, an initramfs, perhaps a device tree, and the ports that lead to the lab's
 * program in the guest. Emulated (TCG): it needs no KVM and runs where containers run.
 */
import type { LabArch } from "./lab_directory.ts";
import type { Transcript } from "./transcript.ts";

export interface MachineOptions {
  arch: LabArch;
  memoryMiB: number;
  kernel: Uint8Array;
  initramfs: Uint8Array;
  /** Empty: the machine's own. */
  deviceTree: Uint8Array;
  commandLine: string;
  console: Transcript;
  /** The machine is ended after this time, even when this process is gone. */
  deadlineSeconds: number;
}

/** Why a machine ended: the guest powered off or restarted, or somebody stopped it. */
export type MachineEnd = "poweroff" | "reset" | "stopped";

const BOARD: Record<LabArch, { words: string[]; console: string }> = {
  x86_64: { words: ["-M", "q35", "-cpu", "max"], console: "ttyS0" },
  aarch64: { words: ["-M", "virt,gic-version=2", "-cpu", "cortex-a57"], console: "ttyAMA0" },
};

/** What every board adds to the command line of the boot image. */
export function machineWords(arch: LabArch): string {
  return `console=${BOARD[arch].console} rdinit=/lab/init panic=-1`;
}

/** Two TCP ports nobody listens on. Somebody may take one before QEMU does; QEMU then says so. */
function freePorts(): { usbip: number; control: number } {
  using usbip = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using control = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { usbip: usbip.addr.port, control: control.addr.port };
}

export class Machine implements AsyncDisposable {
  /** Settles when QEMU has ended. */
  readonly ended: Promise<MachineEnd>;
  #reason: string | undefined;

  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly directory: string,
    private readonly monitor: Deno.Listener<Deno.UnixConn>,
    /** Ports on 127.0.0.1 that lead to the exporter and to the control port. */
    readonly ports: { usbip: number; control: number },
    private readonly console: Transcript,
  ) {
    this.ended = this.#watch();
  }

  static async start(options: MachineOptions): Promise<Machine> {
    const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-run-" });
    const path = (name: string) => `${directory}/${name}`;
    await Deno.writeFile(path("kernel"), options.kernel);
    await Deno.writeFile(path("initramfs"), options.initramfs);
    const hasTree = options.deviceTree.length > 0;
    if (hasTree) await Deno.writeFile(path("dtb"), options.deviceTree);
    const monitor = Deno.listen({ transport: "unix", path: path("monitor") });
    const ports = freePorts();
    const forward = (port: number, guest: number) =>
      `hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:${guest}`;
    const network = [forward(ports.usbip, 3240), forward(ports.control, 3241)].join(",");
    options.console.begin();
    const child = new Deno.Command("timeout", {
      args: [
        ...["-k", "5", String(options.deadlineSeconds), `qemu-system-${options.arch}`],
        ...BOARD[options.arch].words,
        ...["-accel", "tcg,thread=multi", "-smp", "1", "-m", String(options.memoryMiB)],
        ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
        ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
        ...["-chardev", `socket,id=monitor,path=${path("monitor")}`],
        ...["-mon", "chardev=monitor,mode=control"],
        ...["-netdev", `user,id=net,restrict=on,${network}`],
        ...["-device", "virtio-net-pci,netdev=net,romfile="],
        ...["-kernel", path("kernel"), "-initrd", path("initramfs")],
        ...(hasTree ? ["-dtb", path("dtb")] : []),
        ...["-append", options.commandLine],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Machine(child, directory, monitor, ports, options.console);
  }

  /** Sends one command to the lab's program in the guest and returns its answer. */
  async control(command: string): Promise<string> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.ports.control });
    await connection.write(new TextEncoder().encode(`${command}\n`));
    let answer = "";
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(4096);
    for (let length; (length = await connection.read(buffer)) !== null;) {
      answer += decoder.decode(buffer.subarray(0, length), { stream: true });
    }
    return answer;
  }

  /** Ends QEMU at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // timeout(1) hands the signal on, and kills after five seconds.
      this.child.kill("SIGTERM");
    } catch { /* it has ended */ }
    await this.ended;
  }

  async #watch(): Promise<MachineEnd> {
    const monitor = this.#readMonitor();
    const errors = new Response(this.child.stderr).text();
    for await (const chunk of this.child.stdout) this.console.append(chunk);
    const status = await this.child.status;
    this.monitor.close();
    await monitor;
    await Deno.remove(this.directory, { recursive: true });
    const said = (await errors).trim();
    this.console.end(
      status.code === 124
        ? "the machine's deadline passed"
        : `the machine ended (${this.#reason ?? "no reason given"}) ${said}`,
    );
    if (this.#reason === "guest-shutdown") return "poweroff";
    return this.#reason === "guest-reset" || this.#reason === "guest-panic" ? "reset" : "stopped";
  }

  /** QEMU's own protocol says why it ends: docs/interop/qmp-spec.rst, event SHUTDOWN. */
  async #readMonitor(): Promise<void> {
    const connection = await this.monitor.accept().catch(() => undefined);
    if (!connection) return;
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(4096);
    let text = "";
    try {
      await connection.write(new TextEncoder().encode('{"execute":"qmp_capabilities"}\n'));
      for (let length; (length = await connection.read(buffer)) !== null;) {
        text += decoder.decode(buffer.subarray(0, length), { stream: true });
        const event = /"event": "SHUTDOWN".*?"reason": "([a-z-]+)"/.exec(text);
        this.#reason ??= event?.[1];
      }
    } catch {
      /* QEMU was killed */
    } finally {
      connection.close();
    }
  }
}
