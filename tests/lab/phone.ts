/**
 * The virtual phone: one `usbip://` address for its whole life, as a cable would be. In the bootloader
 * it answers by itself; what `boot` gives it runs in QEMU, and from then on the same address leads to
 * the gadget of that guest. A guest that restarts brings the bootloader back, as on a real phone.
 */
import { type BootImage, parseBootImage } from "./boot_image.ts";
import { Bootloader, type BootloaderFaults } from "./bootloader.ts";
import { appendGuestArchive } from "./guest_archive.ts";
import { Machine, type MachineEnd, machineWords } from "./machine.ts";
import type { Lab } from "./setup.ts";
import { Transcript } from "./transcript.ts";
import { answerOperation, ConnectionReader, writeAll } from "./usbip_server.ts";

/** A kernel or stage0 that says one of these is not well, whatever the test saw besides. */
const TROUBLE =
  /BUG:|Oops|WARNING: |[Kk]ernel panic|hung task|blocked for more than|soft lockup|stage0: FATAL/;

export interface VirtualPhoneOptions {
  lab: Lab;
  /** Speed of the guest's port; the bootloader is always a high-speed device. */
  speed?: "super" | "high";
  memoryMiB?: number;
  serial?: string;
  faults?: BootloaderFaults;
  /** Words for the guest's command line that the lab reads: `lab.run=poweroff`. */
  words?: readonly string[];
  /** A guest that still runs then is ended. */
  deadlineSeconds?: number;
}

export type PhoneState = "bootloader" | "starting" | "linux" | "off";

export class VirtualPhone implements AsyncDisposable {
  /** For `--usb`. */
  readonly address: string;
  readonly bootloader: Bootloader;
  readonly console = new Transcript();
  /** What was booted, in order. */
  readonly images: BootImage[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #options: VirtualPhoneOptions;
  readonly #accepting: Promise<void>;
  #machine: Machine | undefined;
  #running: Promise<MachineEnd> | undefined;
  #state: PhoneState = "bootloader";
  #isUnplugged = false;
  #controllers: string[] = [];
  #end = Promise.withResolvers<MachineEnd>();

  /** A phone that waits in its bootloader. */
  constructor(options: VirtualPhoneOptions) {
    this.#options = options;
    const product = `fastboop-virtual-${options.lab.arch}`;
    const serial = options.serial ?? "LAB0001";
    this.bootloader = new Bootloader(
      {
        vendorId: 0x18d1,
        productId: 0x4ee0,
        serial,
        variables: { product, serialno: serial, version: "0.4", unlocked: "yes" },
        maxDownloadBytes: 256 * 1024 * 1024,
        ...(options.faults === undefined ? {} : { faults: options.faults }),
      },
      (image) => this.#accept(image),
      () => this.#run(),
    );
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = `usbip://127.0.0.1:${this.#listener.addr.port}`;
    this.#accepting = this.#listen();
  }

  get state(): PhoneState {
    return this.#state;
  }

  /** Waits for a line of the guest's console; see Transcript.waitFor(). */
  async waitForConsole(pattern: RegExp, timeoutMs: number, from = 0): Promise<RegExpExecArray> {
    return await this.console.waitFor(pattern, timeoutMs, from);
  }

  /** @throws {Error} when the kernel or stage0 complained on the console. */
  assertConsoleClean(): void {
    const trouble = this.console.text.split("\n").filter((line) => TROUBLE.test(line));
    if (trouble.length > 0) throw new Error(`the console complains:\n${trouble.join("\n")}`);
  }

  /**
   * Waits for the guest's end: `poweroff` or `reset`.
   *
   * @throws {Error} with the console's last lines at the deadline.
   */
  async waitForEnd(timeoutMs: number): Promise<MachineEnd> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new Error(`the guest still runs after ${timeoutMs} ms\n${this.console.lastLines(40)}`),
        );
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.#end.promise, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a command to the lab's program in the guest: see guest/lab_control.c. */
  async control(command: string): Promise<string> {
    if (!this.#machine) throw new Error(`no guest runs: ${command}`);
    const answer = await this.#machine.control(command);
    if (answer.startsWith("error:")) throw new Error(`${command}: ${answer.trim()}`);
    return answer;
  }

  /** Pulls the cable. */
  async unplug(): Promise<void> {
    this.#isUnplugged = true;
    if (this.#state === "linux") {
      const answer = (await this.control("unplug")).trim().split("\n");
      this.#controllers = answer.filter((line) => line !== "ok");
    } else {
      for (const connection of this.#connections) close(connection);
    }
  }

  /** Puts the cable back. */
  async replug(): Promise<void> {
    const controllers = this.#controllers.splice(0);
    if (this.#state === "linux") {
      for (const controller of controllers) await this.control(`replug ${controller}`);
    }
    this.#isUnplugged = false;
  }

  /** Ends the guest and gives the address up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "off";
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#accepting;
    await this.#machine?.[Symbol.asyncDispose]();
    await this.#running;
  }

  async #listen(): Promise<void> {
    const served = new Set<Promise<void>>();
    try {
      for await (const connection of this.#listener) {
        connection.setNoDelay(true);
        this.#connections.add(connection);
        const serving = this.#serve(connection).finally(() => {
          close(connection);
          this.#connections.delete(connection);
          served.delete(serving);
        });
        served.add(serving);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await Promise.all(served);
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    if (this.#state === "bootloader" && !this.#isUnplugged) {
      await this.bootloader.serve(connection);
    } else if (this.#state === "linux" && this.#machine) {
      await this.#forward(connection, this.#machine.ports.usbip);
    } else {
      await answerOperation(connection, new ConnectionReader(connection), undefined);
    }
  }

  async #forward(host: Deno.TcpConn, port: number): Promise<void> {
    const guest = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
    if (!guest) return;
    guest.setNoDelay(true);
    this.#connections.add(guest);
    await Promise.all([pump(host, guest), pump(guest, host)]);
    this.#connections.delete(guest);
  }

  /** What a bootloader checks before it says OKAY. */
  #accept(image: Uint8Array): string | undefined {
    try {
      const parsed = parseBootImage(image);
      if (parsed.kernel.length === 0 || parsed.ramdisk.length === 0) return "empty section";
      this.images.push(parsed);
    } catch (error) {
      return `boot image: ${(error as Error).message}`;
    }
  }

  #run(): void {
    this.#state = "starting";
    this.#running = this.#runMachine(this.images.at(-1)!).catch((error) => {
      this.console.end(`QEMU: ${error.message}`);
      return "stopped" as const;
    });
    this.#running.then((end) => {
      this.#machine = undefined;
      if (this.#state !== "off") this.#state = end === "reset" ? "bootloader" : "off";
      this.#end.resolve(end);
    });
  }

  async #runMachine(image: BootImage): Promise<MachineEnd> {
    const { lab, speed = "super", memoryMiB = 256, words = [], deadlineSeconds = 300 } =
      this.#options;
    this.#end = Promise.withResolvers<MachineEnd>();
    const from = this.console.offset;
    const initramfs = await appendGuestArchive(image.ramdisk, lab.guestProgram, speed);
    const commandLine = [image.commandLine, machineWords(lab.arch), ...words].join(" ").trim();
    const { kernel, deviceTree } = image;
    this.#machine = await Machine.start({
      ...{ arch: lab.arch, memoryMiB, deadlineSeconds, console: this.console },
      ...{ kernel, initramfs, deviceTree, commandLine },
    });
    const ready = this.console.waitFor(/^LAB READY .*$/m, deadlineSeconds * 1000, from);
    ready.then(() => {
      if (this.#state === "starting") this.#state = "linux";
    }, () => {/* the end of the machine tells more */});
    return await this.#machine.ended;
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* closed before */ }
}

/** Copies one direction; the end of either ends both. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null || !await writeAll(to, buffer.subarray(0, length))) break;
    }
  } catch { /* reset by a machine or host that died */ }
  close(from);
  close(to);
}
