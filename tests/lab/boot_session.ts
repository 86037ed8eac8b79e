/** Everything one boot needs: lab, web server, virtual phone, and fastboop with the right words. */
import { createHash } from "node:crypto";
import { FastboopProcess } from "./fastboop_process.ts";
import { VirtualPhone, type VirtualPhoneOptions } from "./phone.ts";
import { ensureLab, type Lab, type LabParts } from "./setup.ts";
import { WebServer } from "./web_server.ts";

/** What userspace of the guest reports, parsed from its console lines. */
export interface GuestReport {
  release: string;
  /** Directory to names in it. */
  modules: Map<string, string[]>;
  /** Line of /proc/modules of the module that the guest's modprobe loaded. */
  module: string;
}

export interface BootSessionOptions extends LabParts {
  phone?: Omit<VirtualPhoneOptions, "lab">;
  /** Manifest of a boot profile, which is compiled and given to `boot` by URL instead of the root image. */
  manifest?: (rootUrl: string) => string;
  /** Further arguments of `fastboop boot`. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Of fastboop; all by default. */
  permissions?: readonly string[];
  /** A program to boot with instead of main.ts. */
  program?: string;
}

/** Longest time from `boot` to the end of userspace's report, on two shared cores. */
export const USERSPACE_TIMEOUT_MS = 120_000;

/** Roots that bring a kernel, in them or beside them. */
const HAVE_KERNEL = /-(kernel|mbr|gpt|boot)$/;
const ROOT_PATH = "/rootfs.ero";
const PROFILE_PATH = "/profile.fbp";

export class BootSession implements AsyncDisposable {
  /** The fastboop that boots and serves. */
  readonly host: FastboopProcess;

  private constructor(
    readonly lab: Lab,
    readonly web: WebServer,
    readonly phone: VirtualPhone,
    /** TMPDIR of fastboop: what is left in it, fastboop left there. */
    readonly temporary: string,
    /** What the session itself keeps. */
    private readonly directory: string,
    private readonly options: BootSessionOptions,
  ) {
    this.host = this.#startHost();
  }

  static async start(options: BootSessionOptions): Promise<BootSession> {
    const lab = await ensureLab(options);
    const web = new WebServer({ [ROOT_PATH]: lab.rootImage });
    const phone = new VirtualPhone({ lab, ...options.phone });
    const temporary = await Deno.makeTempDir({ prefix: "fastboop-lab-tmp-" });
    const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-session-" });
    if (options.manifest !== undefined) {
      await compileProfile(options.manifest(web.url(ROOT_PATH)), `${directory}${PROFILE_PATH}`);
      web.add(PROFILE_PATH, `${directory}${PROFILE_PATH}`);
      web.requests.length = 0;
      web.sentBytes = 0;
    }
    return new BootSession(lab, web, phone, temporary, directory, options);
  }

  /** Where the root image is served. */
  get rootUrl(): string {
    return this.web.url(ROOT_PATH);
  }

  /** Waits for userspace's report. When fastboop ends before, that is the failure. */
  async waitForUserspace(): Promise<GuestReport> {
    const early = this.host.ended.then((code) => {
      throw new Error(`fastboop ended with ${code}:\n${this.host.output.text}`);
    });
    early.catch(() => {});
    const done = this.phone.waitForConsole(/^LAB userspace done$/m, USERSPACE_TIMEOUT_MS);
    done.catch(() => {});
    await Promise.race([done, early]);
    return parseReport(this.phone.console.text);
  }

  /** SHA-256 of the root file system, as hex. */
  async rootDigest(): Promise<string> {
    const hash = createHash("sha256");
    using file = await Deno.open(this.lab.rootFilesystem);
    for await (const chunk of file.readable) hash.update(chunk);
    return hash.digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    await this.phone[Symbol.asyncDispose]();
    await this.web[Symbol.asyncDispose]();
    await Deno.remove(this.temporary, { recursive: true });
    await Deno.remove(this.directory, { recursive: true });
  }

  #startHost(): FastboopProcess {
    const kernel = HAVE_KERNEL.test(this.options.root) ? [] : [`--kernel=${this.lab.kernelTree}`];
    const rootfs = this.options.manifest === undefined ? this.rootUrl : this.web.url(PROFILE_PATH);
    const words = ["boot", rootfs, ...kernel, "--usb", this.phone.address];
    const args = [...words, ...this.options.args ?? []];
    const { env, permissions, program } = this.options;
    // Blocks of an earlier session's URL are of no use to anybody.
    const places = { TMPDIR: this.temporary, FASTBOOP_CACHE_DIR: `${this.directory}/cache` };
    return new FastboopProcess(args, { env: { ...places, ...env }, permissions, program });
  }
}

/** As a user does, with all that a later boot need not find out. */
async function compileProfile(manifest: string, to: string): Promise<void> {
  await Deno.writeTextFile(`${to}.yaml`, manifest);
  const words = ["bootprofile", "create", "--optimize", `${to}.yaml`, "-o", to];
  await using compiler = new FastboopProcess(words);
  const code = await compiler.waitForEnd(120_000);
  if (code !== 0) throw new Error(`the profile is not compiled:\n${compiler.output.text}`);
}

/** Reads the lines that roots/lab-report prints. */
export function parseReport(text: string): GuestReport {
  const modules = new Map<string, string[]>();
  for (const match of text.matchAll(/^LAB modules (\S+): (.*)$/mg)) {
    modules.set(match[1]!, match[2]!.split(" "));
  }
  const release = /^LAB uname (\S+)$/m.exec(text)?.[1] ?? "";
  const module = /^LAB module (.*)$/m.exec(text)?.[1] ?? "";
  return { release, modules, module };
}
