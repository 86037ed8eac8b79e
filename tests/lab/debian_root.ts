/** A Debian root file system with systemd, by debootstrap from the mirror that apt is configured with. */
import { labDirectory } from "./lab_directory.ts";
import { debianSource } from "./debian_packages.ts";
import { makeErofs, ROOT_FILES } from "./root_image.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const PACKAGES = ["systemd", "systemd-sysv", "kmod", "udev"];

/** Large, never read in a test, and partly different from one day to the next. */
const LEFT_OUT = [
  "var/cache/apt",
  "var/lib/apt/lists",
  "var/log/bootstrap.log",
  "var/log/dpkg.log",
  "usr/share/doc",
  "usr/share/man",
  "usr/share/locale",
  "usr/share/info",
];

async function addReport(root: string): Promise<void> {
  await Deno.copyFile(`${ROOT_FILES}/lab-report`, `${root}/usr/sbin/lab-report`);
  await Deno.chmod(`${root}/usr/sbin/lab-report`, 0o755);
  const units = `${root}/etc/systemd/system`;
  await Deno.copyFile(`${ROOT_FILES}/lab-report.service`, `${units}/lab-report.service`);
  await Deno.mkdir(`${units}/multi-user.target.wants`, { recursive: true });
  await Deno.symlink(
    "/etc/systemd/system/lab-report.service",
    `${units}/multi-user.target.wants/lab-report.service`,
  );
  await Deno.symlink("/usr/lib/systemd/system/multi-user.target", `${units}/default.target`);
  for (const timer of ["apt-daily", "apt-daily-upgrade", "dpkg-db-backup"]) {
    await Deno.remove(`${units}/timers.target.wants/${timer}.timer`).catch(() => {});
  }
  await Deno.writeTextFile(`${root}/etc/lab-root`, "debian\n");
  await Deno.writeTextFile(`${root}/etc/hostname`, "lab\n");
  await Deno.writeTextFile(`${root}/etc/fstab`, "/dev/nowhere / ext4 defaults 0 1\n");
  await Deno.writeTextFile(`${root}/etc/machine-id`, "");
}

/** Path of the EROFS image; making it needs root and about a minute. */
export async function ensureDebianRoot(): Promise<string> {
  const image = `${labDirectory()}/debian-x86_64.ero`;
  const texts = ["lab-report", "lab-report.service"].map((name) =>
    Deno.readTextFileSync(`${ROOT_FILES}/${name}`)
  );
  const { mirror, suite } = await debianSource();
  const inputs = ["debian 2", suite, ...PACKAGES, ...LEFT_OUT, ...texts];
  await buildOnce(image, digestOf(inputs), async () => {
    if (Deno.uid() !== 0) throw new Error("debootstrap must run as root, once");
    console.error("lab: debootstrap (about a minute)");
    const root = await Deno.makeTempDir({ prefix: "fastboop-lab-debian-" });
    try {
      await Deno.chmod(root, 0o755);
      const include = `--include=${PACKAGES.join(",")}`;
      await runCommand(["debootstrap", "--variant=minbase", include, suite, root, mirror]);
      for (const path of LEFT_OUT) {
        await Deno.remove(`${root}/${path}`, { recursive: true }).catch(() => {});
      }
      await addReport(root);
      await makeErofs(root, image, { compressed: true, allRoot: false });
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
  return image;
}
